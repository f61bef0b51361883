/** The lookahead may misread its input, but never its keys: a hash it remembers is the hash of the bytes asked for. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Lookahead, Row } from '../../src/commands/execution/lookahead.js';
import { defaults } from '../../src/flags/settings.js';
import { Decimal } from '../../src/protocol/decimal.js';
import { Line } from '../../src/protocol/line.js';
import { anonymousMemory, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf } from '../../src/store/layout.js';
import { Store } from '../../src/store/store.js';

const inputBytes = 4096;
const padding = 64;

const { region } = mapRegion(geometryOf(defaults), anonymousMemory, new Journal());
const store = new Store(region, { evict: true, casStep: 1024 }, 1);
const buffer = new ArrayBuffer(inputBytes + padding);
const line = new Line();
const decimal = new Decimal();
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
  'mg ',
  'ms ',
  ' ',
  '\r\n',
  '\n',
  'k',
  '12',
  '0',
  '\0',
);
const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', ' \r\n', '\r\r\n', '', ' noreply\r\n');
const key = fc.stringMatching(/^[a-z\x80-\xff\t]{1,5}$/);
const number = fc.oneof(
  { weight: 9, arbitrary: fc.nat(12).map(String) },
  fc.constantFrom('-1', '1234567890', '', '007'),
);
const request = fc
  .tuple(key, number, number, number, end)
  .chain(([k, a, b, c, e]) =>
    fc.constantFrom(
      `get ${k}${e}`,
      `set ${k} ${a} ${b} ${c}${e}${'v'.repeat(Number(c) & 15)}\r\n`,
      `mg ${k} v${e}`,
      `ms ${k} ${c}${e}${'v'.repeat(Number(c) & 15)}\r\n`,
    ),
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

  test('reads whole only what the line reads the same way', () => {
    const seen = { get: 0, set: 0, mg: 0, ms: 0 };
    fc.assert(
      fc.property(fc.array(fc.oneof(request, input), { maxLength: 12 }), (parts) => {
        const lookahead = new Lookahead(store, line);
        const end = fill(parts.flat().join(''));
        lookahead.begin(end);
        lookahead.look(0, false);
        for (let at = 0; at < end; at++) {
          const row = lookahead.whole(at, end);
          if (row < 0) continue;
          const word = (index: number): number => lookahead.rows[row + index]!;
          expect(line.scan(at, end)).toBe(true);
          expect([line.start(1), line.length(1)]).toEqual([word(Row.KEY), word(Row.KEY_LENGTH)]);
          expect(lookahead.hashOf(row)).toBe(store.hash(line.view, line.start(1), line.length(1)));
          const meta = word(Row.META) === 1;
          const name = line.text(0);
          seen[name as keyof typeof seen]++;
          if (word(Row.VALUE) === 0) {
            const text = meta ? ['mg', 3] : ['get', 2];
            expect([name, line.count, line.next]).toEqual([...text, word(Row.NEXT)]);
            if (meta) expect(line.text(2)).toBe('v');
            continue;
          }
          const text = meta ? ['ms', 3] : ['set', 5];
          expect([name, line.count, line.next]).toEqual([...text, word(Row.VALUE)]);
          const read = (meta ? [2] : [2, 3, 4]).map((token) => {
            expect(decimal.unsigned(line.bytes, line.start(token), line.length(token))).toBe(true);
            return decimal.toNumber();
          });
          const numbers = meta ? [0, 0, ...read] : read;
          expect(numbers).toEqual([word(Row.FLAGS), word(Row.EXPTIME), word(Row.VALUE_LENGTH)]);
          expect(word(Row.NEXT)).toBe(line.next + numbers[2]! + 2);
        }
      }),
      { numRuns: 1000 },
    );
    for (const [name, count] of Object.entries(seen))
      expect([name, count > 30]).toEqual([name, true]);
  });

  test('does not read whole what another connection goes on with', () => {
    const lookahead = new Lookahead(store, line);
    lookahead.begin(fill('set abc 0 0 3\r\nxyz\r\nget abc\r\n'));
    lookahead.look(0, false);
    expect(lookahead.whole(0, 19)).toBe(-1);
    expect(lookahead.whole(0, 20)).toBe(0);
    expect(lookahead.whole(20, 28)).toBe(-1);
    expect(lookahead.whole(20, 29)).toBe(Row.WORDS);
  });

  test('finds the keys of requests one behind another, and steps over values', () => {
    const text = 'get a bb ccc\r\nset dddd 0 0 12\r\nget x\r\nget y\r\n\r\ndelete eeeee\r\n';
    expectKeys(text, ['a', 'bb', 'ccc', 'dddd', 'eeeee']);
  });

  test('finds the keys of meta commands, whose lines are other ones', () => {
    const text =
      'mg a v k 7 9\r\nms bb 12 T0 5\r\nget x\r\nget y\r\n\r\nmd ccc q\r\nms d 3\r\nget\r\nma e\r\nmn\r\nmg f\r\n';
    expectKeys(text, ['a', 'bb', 'ccc', 'd', 'e', 'f']);
  });

  function expectKeys(text: string, keys: readonly string[]): void {
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
    expect(asked.map((key) => key.trim())).toEqual(keys);
    expect(counting.until).toBe(end);
  }
});
