/** Where hotspare knowingly answers otherwise than memcached: docs/PROTOCOL.md has the reasons. */
import { badFormat, key251, notStored, set, stored, type Topic, value } from '../table.js';

const manyKeys = 'a '.repeat(40_000);
const noMemory = 'SERVER_ERROR out of memory storing object\r\n';
const small = 'x'.repeat(3000);
const k = set('k', '1');
/** An item of one byte, and then as many of 3000 as there is memory for. */
const full = k + Array.from({ length: 4000 }, (_, n) => set(`full${n}`, small)).join('');
const fullReply =
  /^(?:STORED\r\n)+(?:SERVER_ERROR out of memory storing object\r\n)+(?<=^(?:.+\r\n){4001})$/;
const afterwards = {
  huge: true,
  splits: ['whole'],
  why: 'once it is full, it stays full',
} as const;

export const differences: Topic = {
  topic: 'differences',
  cases: [
    {
      name: 'a key too long far back in a line that arrives in pieces',
      steps: [
        [set('a', '1'), stored],
        [`get ${manyKeys}${key251}\r\n`, badFormat],
      ],
      splits: ['sevens', 'bytes'],
      why: 'a line that arrives whole is checked whole by both',
      huge: true,
      differs: {
        name: 'long-get-line',
        hotspare: {
          steps: [
            [set('a', '1'), stored],
            [`get ${manyKeys}${key251}\r\n`, value('a', '1').repeat(40_000) + badFormat],
          ],
          end: 'closed',
        },
      },
    },
    {
      name: 'no-op of the binary protocol',
      steps: [[`\x80\x0a${'\0'.repeat(22)}`, `\x81\x0a${'\0'.repeat(22)}`]],
      end: 'hangup',
      differs: {
        name: 'binary-protocol',
        hotspare: { steps: [[`\x80\x0a${'\0'.repeat(22)}`, '']], end: 'closed' },
      },
    },
    {
      name: 'the class of an item that fits the smaller chunk only with the smaller header',
      steps: [[`${set('k', 'x'.repeat(50))}stats items\r\n`, inClass(2)]],
      flags: ['-n', '48'],
      differs: {
        name: 'class-sizes',
        hotspare: { steps: [[`${set('k', 'x'.repeat(50))}stats items\r\n`, inClass(1)]] },
      },
    },
    {
      name: 'with -M append to an item when there is no memory for what is appended',
      steps: [
        [full, fullReply],
        [`append k 0 0 3000\r\n${small}\r\nget k\r\n`, `${noMemory}${value('k', '1')}END\r\n`],
      ],
      flags: ['-M', '-m', '9'],
      ...afterwards,
      differs: {
        name: 'append-when-full',
        hotspare: {
          steps: [
            [full, fullReply],
            [`append k 0 0 3000\r\n${small}\r\nget k\r\n`, `${notStored}${value('k', '1')}END\r\n`],
          ],
        },
      },
    },
    {
      name: 'with -M an item of another size when memory is full',
      steps: [
        [full, fullReply],
        [set('other', 'x'.repeat(50_000)), stored],
      ],
      flags: ['-M', '-m', '11'],
      ...afterwards,
      differs: {
        name: 'first-page',
        hotspare: {
          steps: [
            [full, fullReply],
            [set('other', 'x'.repeat(50_000)), noMemory],
          ],
        },
      },
    },
  ],
};

function inClass(number: number): RegExp {
  return new RegExp(`^STORED\\r\\nSTAT items:${number}:number 1\\r\\n(?:STAT .*\\r\\n)+END\\r\\n$`);
}
