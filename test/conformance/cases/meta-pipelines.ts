/** Meta commands in pipelines: with classic ones, with quiet ones closed by mn, and many at once. */
import { end, key250, one, set, stored, type Topic, value } from '../table.js';

const hit = 'HD\r\n';
const count = 300;
const numbers = Array.from({ length: count }, (_, number) => number);
/** As many of the smallest items as two pages hold, and more. */
const crowd = `${Array.from({ length: 60_000 }, (_, n) => `set i${n} 0 0 1 noreply\r\nx\r\n`).join('')}mn\r\n`;
const key200 = 'k'.repeat(200);
const decoded = '\x80\xff\xfe'.repeat(53);
const encoded = Buffer.from(decoded, 'latin1').toString('base64');
const fresh = {
  flags: ['-m', '2'],
  huge: true,
  splits: ['whole'],
  why: 'once the page is there, it stays',
} as const;

export const metaPipelines: Topic = {
  topic: 'meta: pipelines',
  cases: [
    {
      name: 'mg N that needs a page of another class is answered once',
      steps: [
        [crowd, 'MN\r\n'],
        [`mg ${key200} N100 k\r\nmn\r\n`, `HD k${key200} W\r\nMN\r\n`],
      ],
      ...fresh,
    },
    {
      name: 'ma N that needs a page of another class is answered once',
      steps: [
        [crowd, 'MN\r\n'],
        [`ma ${key250} N100 v\r\nmn\r\n`, 'VA 1\r\n0\r\nMN\r\n'],
      ],
      ...fresh,
      flags: ['-m', '2', '-R', '18'],
    },
    {
      name: 'ms with a key in base64 that needs a page of another class is read twice, and stored once',
      steps: [
        [crowd, 'MN\r\n'],
        [`ms ${encoded} 9 b c\r\n123456789\r\nmn\r\n`, /^HD c\d+\r\nMN\r\n$/],
        [`mg ${encoded} b k v\r\n`, `VA 9 k${encoded} b\r\n123456789\r\n`],
      ],
      ...fresh,
      flags: ['-m', '2', '-R', '17'],
    },
    {
      name: 'mg N with a key in base64 that needs a page of another class',
      steps: [
        [crowd, 'MN\r\n'],
        [`mg ${encoded} b N100 k\r\nmn\r\n`, `HD k${decoded} W\r\nMN\r\n`],
      ],
      ...fresh,
      flags: ['-m', '2', '-R', '16'],
    },
    one(
      'an ms without flags has none of those of the ms before it',
      'ms k 1 F7 T100 O9 k c\r\na\r\nms k 1\r\nb\r\nmg k v f t\r\nms k 1 q I C1\r\nc\r\nms k 1\r\nd\r\nmg k v\r\n',
      /^HD O9 kk c\d+\r\nHD\r\nVA 1 f0 t-1\r\nb\r\n(EX\r\n)?HD\r\nVA 1\r\nd\r\n$/,
    ),
    one(
      'nor does its key come in base64 because the one before did',
      `ms ${encoded} 1 b\r\na\r\nms k 1\r\nb\r\nmg k k v\r\n`,
      `${hit}${hit}VA 1 kk\r\nb\r\n`,
    ),
    one(
      'classic and meta commands take turns',
      `${set('k', '1')}mg k v\r\nget k\r\nms k 1\r\n2\r\nget k\r\nincr k 1\r\nma k v\r\ndelete k\r\nmg k\r\nmd k\r\nget k\r\nversion\r\nmn\r\n`,
      new RegExp(
        `^${stored}VA 1\\r\\n1\\r\\n${value('k', '1')}${end}${hit}${value('k', '2')}${end}3\\r\\nVA 1\\r\\n4\\r\\nDELETED\\r\\nEN\\r\\nNF\\r\\n${end}VERSION \\S+\\r\\nMN\\r\\n$`,
      ),
    ),
    one(
      'a quiet batch ends with mn',
      'ms a 1 q\r\n1\r\nms b 1 q\r\n2\r\nmg a v q k\r\nmg x v q k\r\nmg b v q k\r\nmd a q\r\nma b q\r\nmn\r\n',
      'VA 1 ka\r\n1\r\nVA 1 kb\r\n2\r\nMN\r\n',
    ),
    one(
      'quiet commands answer what goes wrong',
      'ms a 1 q ME\r\n1\r\nms a 1 q ME\r\n1\r\nmd x q\r\nma x q\r\nmg a q !\r\nms a 1 q C1\r\n2\r\nmn\r\n',
      'NS\r\nNF\r\nNF\r\nCLIENT_ERROR invalid flag\r\nEX\r\nMN\r\n',
    ),
    one(
      'opaques tell answers apart',
      numbers.map((number) => `mg key${number} v O${number}\r\n`).join(''),
      numbers.map((number) => `EN O${number}\r\n`).join(''),
    ),
    one(
      'many sets and gets',
      numbers
        .map((number) => `ms key${number} ${String(number).length} T0 F${number}\r\n${number}\r\n`)
        .join('') + numbers.map((number) => `mg key${number} f v k\r\n`).join(''),
      numbers.map(() => hit).join('') +
        numbers
          .map((number) => `VA ${String(number).length} f${number} kkey${number}\r\n${number}\r\n`)
          .join(''),
      { splits: ['whole', 'sevens'], why: 'byte by byte it is the same again, and slow' },
    ),
    one(
      'many of all kinds',
      numbers
        .map(
          (number) =>
            `mg key${number} N0 q\r\nms key${number} 1 q\r\n1\r\nma key${number} v\r\nmd key${number} I q\r\nmg key${number} q\r\n`,
        )
        .join(''),
      numbers.map(() => `HD W\r\nVA 1\r\n2\r\nHD X W\r\n`).join(''),
      { splits: ['whole', 'sevens'], why: 'byte by byte it is the same again, and slow' },
    ),
    one(
      'values that look like commands',
      'ms k 19\r\nmg a\r\nms b 1\r\nx\r\nmn\r\nmn\r\nmg k s\r\n',
      `${hit}MN\r\nHD s19\r\n`,
    ),
    one(
      'answers come before the end',
      `${set('k', 'a')}mg k v\r\nmg j q\r\nmn\r\n`,
      `${stored}VA 1\r\na\r\nMN\r\n`,
      { end: 'finish' },
    ),
    one(
      'quit behind quiet commands',
      'ms k 1 q\r\na\r\nmg j q\r\nmg k v\r\nquit\r\n',
      'VA 1\r\na\r\n',
      { end: 'closed' },
    ),
  ],
};
