/** The lookahead may misread its input, but never its keys: a hash it remembers is the hash of the bytes asked for. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Journal } from '../../src/journal.js';
import { Lookahead } from '../../src/lookahead.js';
import { anonymous, mapRegion } from '../../src/memory.js';
import { defaults } from '../../src/options.js';
import { Line } from '../../src/protocol/line.js';
import { geometryOf } from '../../src/store/layout.js';
import { Store } from '../../src/store/store.js';

const inputBytes = 4096;
const padding = 64;

const { region } = mapRegion(geometryOf(defaults), anonymous, new Journal());
const store = new Store(region, { evict: true, casStep: 1024 }, 1);
const buffer = new ArrayBuffer(inputBytes + padding);
const line = new Line();
line.bytes = new Uint8Array(buffer);
line.view = new DataView(buffer);

function fill(text: string): number {
  const bytes = Buffer.from(text, 'latin1').subarray(0, inputBytes);
  line.bytes.fill(0xff);
  line.bytes.set(bytes);
  return bytes.length;
}

const word = fc.constantFrom(
  'get ',
  'set ',
  'gets',
  'cas',
  ' ',
  '\r\n',
  '\n',
  'k',
  '12',
  '0',
  '\0',
);
const input = fc.array(fc.oneof(word, fc.string({ maxLength: 9 })), { maxLength: 200 });

describe('the lookahead', () => {
  test('knows no wrong hash, whatever it looks at', () => {
    fc.assert(
      fc.property(input, fc.boolean(), fc.nat(40), (parts, inKeys, skipped) => {
        const lookahead = new Lookahead(store, line);
        const end = fill(parts.join(''));
        lookahead.begin(end);
        const from = Math.min(skipped, end);
        lookahead.look(from, inKeys);
        expect(lookahead.until).toBeGreaterThan(from);
        for (let at = from; at < end; at++) {
          const length = 1 + ((at * 7) % Math.min(20, end - at));
          expect(lookahead.hash(at, length)).toBe(store.hash(line.view, at, length));
        }
      }),
    );
  });

  test('finds the keys of requests one behind another, and steps over values', () => {
    const text = 'get a bb ccc\r\nset dddd 0 0 12\r\nget x\r\nget y\r\n\r\ndelete eeeee\r\n';
    const end = fill(text);
    const asked: string[] = [];
    const counting = new Lookahead(
      {
        hash: (_: DataView, at: number, length: number) => {
          asked.push(text.slice(at, at + length));
          return 0;
        },
        prefetch: () => undefined,
      } as unknown as Store,
      line,
    );
    counting.begin(end);
    counting.look(0, false);
    expect(asked.map((key) => key.trim())).toEqual(['a', 'bb', 'ccc', 'dddd', 'eeeee']);
    expect(counting.until).toBe(end);
  });
});
