/** set, add, replace, append, prepend, cas: what is stored, what is answered, which lines are refused. */
import {
  badFormat,
  type Case,
  end,
  error,
  exists,
  notFound,
  notStored,
  one,
  set,
  stored,
  type Topic,
  value,
} from '../table.js';

const commands = ['set', 'add', 'replace', 'append', 'prepend', 'cas'];
/** A storage line for `k` with these numbers; cas gets a unique. */
const line = (name: string, flags: string, exptime: string, bytes: string, rest = '') =>
  `${name} k ${flags} ${exptime} ${bytes}${name === 'cas' ? ' 1' : ''}${rest}\r\n`;

const flagsKept: [string, string][] = [
  ['0', '0'],
  ['1', '1'],
  ['65535', '65535'],
  ['65536', '65536'],
  ['4294967295', '4294967295'],
  ['4294967296', '0'],
  ['4294967297', '1'],
  ['18446744073709551615', '4294967295'],
  ['+5', '5'],
  ['-0', '0'],
  ['007', '7'],
  ['\t5', '5'],
  ['5\t', '5'],
  ['5\t6', '5'],
];
const flagsRefused = ['-1', '-', '+', '1.5', '0x10', '12abc', 'abc', '18446744073709551616'];
const lengthsRefused = [
  '-1',
  '-0x1',
  'abc',
  '1.5',
  '0x1',
  '1a',
  '2147483646',
  '2147483647',
  '2147483648',
  '4294967295',
  '9223372036854775808',
  '99999999999999999999',
];
const exptimesRefused = ['abc', '1.5', '0x10', '12abc', '-', '9999999999999999999999'];

/** After a refused line the data block is read as a command: the single byte `1` is not one. */
function refused(name: string, sent: string): Case {
  return one(name, `${sent}1\r\nget k\r\n`, badFormat + error + end);
}

export const storage: Topic = {
  topic: 'storage',
  cases: [
    one('set', `${set('k', 'value')}get k\r\n`, stored + value('k', 'value') + end),
    one(
      'set twice',
      `${set('k', 'one')}${set('k', 'another')}get k\r\n`,
      stored + stored + value('k', 'another') + end,
    ),
    one(
      'set again with a shorter value',
      `${set('k', 'another')}${set('k', '')}get k\r\n`,
      stored + stored + value('k', '') + end,
    ),
    one(
      'set again with other flags',
      `${set('k', '1', 7)}${set('k', '1', 8)}get k\r\n`,
      stored + stored + value('k', '1', 8) + end,
    ),
    one('an empty value', `${set('k', '')}get k\r\n`, stored + value('k', '') + end),
    one(
      'a value of any byte',
      `${set('k', everyByte())}get k\r\n`,
      stored + value('k', everyByte()) + end,
    ),
    one(
      'a value that looks like commands',
      `${set('k', 'x\r\nget k\r\nEND\r\n')}get k\r\n`,
      stored + value('k', 'x\r\nget k\r\nEND\r\n') + end,
    ),
    one(
      'a value of line ends',
      `${set('k', '\r\n\r\n')}get k\r\n`,
      stored + value('k', '\r\n\r\n') + end,
    ),
    one(
      'a value that ends with a carriage return',
      `${set('k', 'x\r')}get k\r\n`,
      stored + value('k', 'x\r') + end,
    ),

    one('add to nothing', 'add k 3 0 1\r\n1\r\nget k\r\n', stored + value('k', '1', 3) + end),
    one(
      'add to an item',
      `${set('k', '1')}add k 0 0 1\r\n2\r\nget k\r\n`,
      stored + notStored + value('k', '1') + end,
    ),
    one(
      'add after delete',
      `${set('k', '1')}delete k\r\nadd k 0 0 1\r\n2\r\nget k\r\n`,
      `${stored}DELETED\r\n${stored}${value('k', '2')}${end}`,
    ),
    one('replace nothing', 'replace k 0 0 1\r\n1\r\nget k\r\n', notStored + end),
    one(
      'replace an item',
      `${set('k', '1')}replace k 9 0 2\r\n22\r\nget k\r\n`,
      stored + stored + value('k', '22', 9) + end,
    ),
    one('append to nothing', 'append k 0 0 1\r\n1\r\nget k\r\n', notStored + end),
    one('prepend to nothing', 'prepend k 0 0 1\r\n1\r\nget k\r\n', notStored + end),
    one(
      'append',
      `${set('k', 'abc')}append k 0 0 3\r\ndef\r\nget k\r\n`,
      stored + stored + value('k', 'abcdef') + end,
    ),
    one(
      'prepend',
      `${set('k', 'abc')}prepend k 0 0 3\r\ndef\r\nget k\r\n`,
      stored + stored + value('k', 'defabc') + end,
    ),
    one(
      'append nothing',
      `${set('k', 'abc')}append k 0 0 0\r\n\r\nget k\r\n`,
      stored + stored + value('k', 'abc') + end,
    ),
    one(
      'append to an empty value',
      `${set('k', '')}append k 0 0 1\r\n1\r\nget k\r\n`,
      stored + stored + value('k', '1') + end,
    ),
    one(
      'append and prepend keep the flags',
      `${set('k', 'b', 9)}append k 5 0 1\r\nc\r\nprepend k 6 0 1\r\na\r\nget k\r\n`,
      stored.repeat(3) + value('k', 'abc', 9) + end,
    ),
    one(
      'append and prepend ignore exptime',
      `${set('k', 'b')}append k 0 -1 1\r\nc\r\nprepend k 0 -1 1\r\na\r\nget k\r\n`,
      stored.repeat(3) + value('k', 'abc') + end,
    ),
    one(
      'append many times',
      `${set('k', '')}${'append k 0 0 2\r\nxy\r\n'.repeat(100)}get k\r\n`,
      stored.repeat(101) + value('k', 'xy'.repeat(100)) + end,
    ),

    one('cas on nothing', 'cas k 0 0 1 1\r\n1\r\nget k\r\n', notFound + end),
    one('cas on nothing with unique 0', 'cas k 0 0 1 0\r\n1\r\nget k\r\n', notFound + end),
    one(
      'cas with unique 0 on an item',
      `${set('k', '1')}cas k 0 0 1 0\r\n2\r\nget k\r\n`,
      stored + exists + value('k', '1') + end,
    ),
    {
      name: 'cas with the right unique, then with the same again',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [(seen) => `cas k 7 0 2 ${seen['cas']}\r\n22\r\n`, stored],
        ['get k\r\n', value('k', '22', 7) + end],
        [(seen) => `cas k 0 0 1 ${seen['cas']}\r\n3\r\n`, exists],
        ['get k\r\n', value('k', '22', 7) + end],
      ],
    },
    {
      name: 'cas with a unique that another one overtook',
      steps: [
        [`${set('k', '1')}`, stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [`${set('k', '2')}`, stored],
        [(seen) => `cas k 0 0 1 ${seen['cas']}\r\n3\r\n`, exists],
        ['get k\r\n', value('k', '2') + end],
      ],
    },
    {
      name: 'cas on a deleted item',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        ['delete k\r\n', 'DELETED\r\n'],
        [(seen) => `cas k 0 0 1 ${seen['cas']}\r\n3\r\n`, notFound],
      ],
    },
    {
      name: 'cas with the unique of another key',
      steps: [
        [set('a', '1') + set('b', '1'), stored + stored],
        ['gets a\r\n', /^VALUE a 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [(seen) => `cas b 0 0 1 ${seen['cas']}\r\n3\r\n`, exists],
        [(seen) => `cas a 0 0 1 ${seen['cas']}\r\n3\r\n`, stored],
      ],
    },
    {
      name: 'cas takes leading zeros, a plus and a word behind the unique',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [(seen) => `cas k 0 0 1 00${seen['cas']}\r\n2\r\n`, stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n2\r\nEND\r\n$/],
        [(seen) => `cas k 0 0 1 +${seen['cas']} foo\r\n3\r\n`, stored],
        ['get k\r\n', value('k', '3') + end],
      ],
    },
    one('cas with the largest unique', 'cas k 0 0 1 18446744073709551615\r\n1\r\n', notFound),
    ...['abc', '-1', '1.5', '1a', '0x1', '18446744073709551616', 'noreply1'].map((unique) =>
      refused(`cas with the unique ${unique}`, `cas k 0 0 1 ${unique}\r\n`),
    ),
    one('cas without a unique', 'cas k 0 0 1\r\n1\r\n', error + error),
    one('cas with two words behind the unique', 'cas k 0 0 1 1 2 3\r\n1\r\n', error + error),

    ...flagsKept.map(([sent, kept]) =>
      one(
        `flags ${JSON.stringify(sent)} are kept as ${kept}`,
        `set k ${sent} 0 1\r\n1\r\nget k\r\n`,
        `${stored}VALUE k ${kept} 1\r\n1\r\n${end}`,
      ),
    ),
    ...flagsRefused.map((flags) => refused(`flags ${flags} are refused`, `set k ${flags} 0 1\r\n`)),
    ...lengthsRefused.map((bytes) =>
      refused(`the length ${bytes} is refused`, `set k 0 0 ${bytes}\r\n`),
    ),
    ...exptimesRefused.map((exptime) =>
      refused(`the exptime ${exptime} is refused`, `set k 0 ${exptime} 1\r\n`),
    ),
    one(
      'the length may have leading zeros and a plus',
      'set k 0 0 +01\r\n1\r\nget k\r\n',
      stored + value('k', '1') + end,
    ),
    one(
      'the length may end in a tab',
      'set k 0 0 1\t\r\n1\r\nget k\r\n',
      stored + value('k', '1') + end,
    ),
    one(
      'the length is cut to 32 bits',
      'set k 0 0 4294967297\r\n1\r\nget k\r\n',
      stored + value('k', '1') + end,
    ),
    ...commands.flatMap((name) => [
      refused(`${name}: flags that are no number`, line(name, 'abc', '0', '1')),
      refused(`${name}: an exptime that is no number`, line(name, '0', 'abc', '1')),
      refused(`${name}: a length that is no number`, line(name, '0', '0', 'abc')),
      refused(`${name}: a negative length`, line(name, '0', '0', '-1')),
      one(
        `${name}: too few words`,
        `${name}\r\n${name} k\r\n${name} k 0\r\n${name} k 0 0\r\n`,
        error.repeat(4),
      ),
      one(
        `${name}: too many words`,
        `${line(name, '0', '0', '1', ' a b')}1\r\n${line(name, '0', '0', '1', ' a noreply')}1\r\n`,
        error.repeat(4),
      ),
    ]),
    one(
      'a refused line keeps the old value',
      `${set('k', '1')}set k 0 0 abc\r\nget k\r\n`,
      stored + badFormat + value('k', '1') + end,
    ),
    one(
      'a sixth word that is not noreply is ignored',
      'set k 0 0 1 foo\r\n1\r\nget k\r\n',
      stored + value('k', '1') + end,
    ),
    one('a line of forty words', `set k 0 0 1${' w'.repeat(40)}\r\n`, error),
  ],
};

function everyByte(): string {
  return String.fromCharCode(...Array(256).keys());
}
