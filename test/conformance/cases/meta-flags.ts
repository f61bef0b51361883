/** The flags of the meta commands: what is read, what is refused, and which of several mistakes is named. */
import {
  badFormat,
  type Case,
  error,
  key250,
  key251,
  one,
  set,
  stored,
  type Topic,
} from '../table.js';

const duplicate = 'CLIENT_ERROR duplicate flag\r\n';
const invalid = 'CLIENT_ERROR invalid flag\r\n';
const eitherOr = 'CLIENT_ERROR invalid or duplicate flag\r\n';
const badToken = 'CLIENT_ERROR bad token in command line format\r\n';
const badKey = 'CLIENT_ERROR error decoding key\r\n';
const badLength = 'CLIENT_ERROR incorrect length for M token\r\n';
const badInitial = 'CLIENT_ERROR invalid numeric initial value\r\n';
const badDelta = 'CLIENT_ERROR invalid numeric delta value\r\n';
const opaque = 'CLIENT_ERROR opaque token too long\r\n';
const areTooLong = 'CLIENT_ERROR options flags are too long\r\n';
const tooLong = 'CLIENT_ERROR options flags too long\r\n';

/** All flags there are, but for b, which would change the key. */
const seventeen = 's t c f l h k O1 v u q P L I M1 D1 J1';

/** What mg and ms answer to these flags, and so (in other words) md and ma. */
const refused: [flags: string, answer: string][] = [
  ['v v', duplicate],
  ['v k v', duplicate],
  ['k kk', duplicate],
  ['T1 T1', duplicate],
  ['O1 O2', duplicate],
  ['q v q', duplicate],
  ['P1 P2', duplicate],
  ['\x7f', duplicate],
  ['\x80', duplicate],
  ['\xff', duplicate],
  ['!', invalid],
  ['1', invalid],
  ['-', invalid],
  ['@', invalid],
  ['[', invalid],
  ['`', invalid],
  ['{', invalid],
  ['a', invalid],
  ['z', invalid],
  ['y', invalid],
  ['A', invalid],
  ['B', invalid],
  ['K', invalid],
  ['Q', invalid],
  ['S100', invalid],
  ['V', invalid],
  ['W', invalid],
  ['X', invalid],
  ['Z', invalid],
  ['noreply', invalid],
  ['\tv', invalid],
  ['v !', invalid],
  ['! v v', invalid],
  ['v v !', duplicate],
  ['N', badToken],
  ['N1x', badToken],
  ['T', badToken],
  ['Tx', badToken],
  ['T1.5', badToken],
  ['T--1', badToken],
  ['T9223372036854775808', badToken],
  ['R', badToken],
  ['R0x10', badToken],
  ['C', badToken],
  ['Cx', badToken],
  ['C-1', badToken],
  ['C18446744073709551616', badToken],
  ['F', badFormat],
  ['Fx', badFormat],
  ['F-1', badFormat],
  ['F18446744073709551616', badFormat],
  ['M', badLength],
  ['MEE', badLength],
  ['Mappend', badLength],
  ['J', badInitial],
  ['J-1', badInitial],
  ['Jx', badInitial],
  ['D', badDelta],
  ['D-1', badDelta],
  ['D1x', badDelta],
  ['Fx Cx', badToken],
  ['Cx Fx', badToken],
  ['Cx Dx', badDelta],
  ['Dx Cx', badToken],
  ['MEE Cx', badToken],
  ['Cx MEE', badLength],
  ['Jx Fx', badInitial],
  ['Fx !', invalid],
  ['Fx v v', duplicate],
  ['b', badKey],
  ['b Cx', badToken],
  ['Cx b', badKey],
  ['b !', invalid],
];

const accepted: [name: string, flags: string][] = [
  ['numbers with a sign', 'T+60 N+60 R+60 C+1 D+1 J+1 F+1'],
  ['numbers with zeroes before them', 'T060 N060 R060 C01 D01 J01 F01'],
  ['negative exptimes', 'N-1 R-1'],
  ['the largest numbers', 'C18446744073709551615 D18446744073709551615 J18446744073709551615'],
  ['a client flag too large', 'F4294967296'],
  ['tokens behind letters that take none', 'tabc fabc sabc kabc'],
  ['hints for proxies', 'P L'],
  ['hints for proxies, with tokens', 'Ppath/to Lpath/to'],
  ['modes of other commands', 'M!'],
  ['flags of other commands', 'I D1 J1 M+ C1 F1'],
];

const once = { splits: ['whole'], why: 'a line is read when it is whole' } as const;

export const metaFlags: Topic = {
  topic: 'meta: flags',
  cases: [
    ...refused.map(([flags, answer]) =>
      one(`mg refuses ${flags}`, `mg k ${flags}\r\n`, answer, once),
    ),
    ...refused.map(([flags, answer]) =>
      one(
        `ms refuses ${flags}, and swallows the value`,
        `ms k 4 ${flags}\r\nmn\r\n\r\n`,
        answer,
        once,
      ),
    ),
    ...['md', 'ma'].flatMap((word) =>
      ['v v', '!', 'Tx', 'Fx', 'Cx', 'MEE', 'M', 'Jx', 'Dx', 'b', '\x80', 'noreply', '0', 'S1'].map(
        (flags) => one(`${word} refuses ${flags}`, `${word} k ${flags}\r\n`, eitherOr, once),
      ),
    ),
    ...accepted.map(([name, flags]) =>
      one(`mg takes ${name}`, `${set('k', 'a')}mg k ${flags} Oend\r\n`, ends(stored, 'Oend')),
    ),
    ...lengths(),
    ...opaques(),
    one('a command without a key', 'mg\r\nms\r\nmd\r\nma\r\nme\r\n', error.repeat(4) + badFormat),
    one('ms without a length', 'ms k\r\n', badFormat),
    one(
      'a key of 250 bytes',
      `mg ${key250} k\r\nmd ${key250} k\r\nma ${key250} k\r\nme ${key250}\r\n`,
      `EN k${key250}\r\nNF k${key250}\r\nNF k${key250}\r\nEN\r\n`,
    ),
    one(
      'a key of 251 bytes',
      ['mg', 'md', 'ma', 'me'].map((word) => `${word} ${key251} q\r\n`).join(''),
      badFormat.repeat(4),
    ),
    one(
      'a key of 251 bytes: ms does not swallow',
      `ms ${key251} 2\r\nmn\r\n`,
      `${badFormat}MN\r\n`,
    ),
    one('a key of 251 bytes and too many flags', `mg ${key251} ${seventeen} R1\r\n`, badFormat),
    one(
      'words are case-sensitive, and two letters long',
      'MG k\r\nmgk k\r\nm k\r\nmx k\r\nm\tk\r\n',
      error.repeat(5),
    ),
    one('an unknown meta command is none for browsers', 'mx / HTTP/1.1\r\n', error),
    one('a TAB is part of the word', 'mg\tk\r\n', error),
    one(
      'spaces do not count',
      `${set('k', 'a')}  mg   k    v   s  \r\n`,
      `${stored}VA 1 s1\r\na\r\n`,
    ),
    one('a line end without CR', `${set('k', 'a')}mg k v\nmn\n`, `${stored}VA 1\r\na\r\nMN\r\n`),
    one('a NUL ends the line', `${set('k', 'a')}mg k s\0 v\r\n`, `${stored}HD s1\r\n`),
    one('a line of more than 2048 bytes without an end', `mg k O${'x'.repeat(2100)}`, '', {
      end: 'closed',
    }),
    one('mn with words behind it', 'mn\r\nmn x y z\r\nmn mn\r\n', 'MN\r\n'.repeat(3)),
  ],
};

function lengths(): Case[] {
  return [
    one(
      'mg with 17 flags',
      `${set('k', 'a', 7)}mg k ${seventeen}\r\n`,
      /^STORED\r\nVA 1 s1 t-1 c\d+ f7 l0 h0 kk O1\r\na\r\n$/,
    ),
    one('mg with 18 flags', `mg k ${seventeen} T1\r\n`, areTooLong),
    one('mg with 40 flags', `mg k${' v'.repeat(40)}\r\n`, areTooLong),
    one('md with 17 flags', `md k ${seventeen}\r\n`, 'NF kk O1\r\n'),
    one('md with 18 flags', `md k ${seventeen} T1\r\n`, tooLong),
    one('ma with 17 flags', `ma k ${seventeen.replace('M1', 'MI')}\r\n`, 'NF kk O1\r\n'),
    one('ma with 18 flags', `ma k ${seventeen} T1\r\n`, tooLong),
    one(
      'ms with 16 flags',
      `ms k 1 ${seventeen.replace('s ', 'F1 ').replace('M1 ', '').replace(' q', '')} MS\r\na\r\n`,
      /^HD c\d+ kk O1\r\n$/,
    ),
    one('ms with 17 flags does not swallow', `ms k 2 ${seventeen}\r\nmn\r\n`, `${tooLong}MN\r\n`),
    one('ms with 17 flags and no length', `ms k x ${seventeen}\r\n`, tooLong),
  ];
}

function opaques(): Case[] {
  const longest = `O${'x'.repeat(31)}`;
  const longer = `${longest}x`;
  return [
    one(
      'an opaque of 32 bytes, its O counted',
      `${set('k', '1')}mg k ${longest}\r\nmg j ${longest}\r\nms k 1 ${longest}\r\n1\r\nma k ${longest}\r\nmd k ${longest}\r\nmd k ${longest}\r\n`,
      `${stored}HD ${longest}\r\nEN ${longest}\r\nHD ${longest}\r\nHD ${longest}\r\nHD ${longest}\r\nNF ${longest}\r\n`,
    ),
    one(
      'an opaque of 33 bytes',
      `${set('k', '1')}mg k ${longer}\r\nmg j ${longer}\r\nms k 1 ${longer}\r\n1\r\nma k ${longer}\r\nma j ${longer}\r\nmd k ${longer}\r\nmd j ${longer}\r\n`,
      stored + opaque.repeat(7),
    ),
    one(
      'an opaque too long is answered even with q',
      `${set('k', '1')}mg k q ${longer}\r\nmg j q ${longer}\r\nms k 1 q ${longer}\r\n1\r\nmd k q ${longer}\r\nmd j q ${longer}\r\n`,
      stored + opaque.repeat(5),
    ),
    one(
      'an opaque too long deletes and stores nothing',
      `${set('k', '1')}ms k 1 ${longer}\r\n2\r\nmd k ${longer}\r\nmg k v\r\n`,
      `${stored}${opaque}${opaque}VA 1\r\n1\r\n`,
    ),
    one('an opaque too long, and a mistake in a token', `ms k 1 Cx ${longer}\r\na\r\n`, badToken),
    one(
      'an opaque too long, and a wrong mode',
      `ms k 1 ${longer} MX\r\na\r\nma k MX ${longer}\r\n`,
      'CLIENT_ERROR invalid mode for ms M token\r\nCLIENT_ERROR invalid mode for ma M token\r\n',
    ),
    one(
      'an empty opaque',
      `${set('k', '1')}mg k O v\r\nmg j O\r\n`,
      `${stored}VA 1 O\r\n1\r\nEN O\r\n`,
    ),
    one(
      'an opaque of any bytes',
      `mg j O\t\x01\x80\xff!"$%&/()=\r\n`,
      'EN O\t\x01\x80\xff!"$%&/()=\r\n',
    ),
  ];
}

function ends(before: string, with_: string): RegExp {
  return new RegExp(`^${before}HD[^\\n]* ${with_}(?: W)?\\r\\n$`);
}
