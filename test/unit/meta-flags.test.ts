/** The flags of a meta command, read from any line: against a plain reading of memcached's rules, and base64. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64, needsEncoding, putBase64 } from '../../src/protocol/base64.js';
import { Line } from '../../src/protocol/line.js';
import { Lower, MetaFlags, Upper } from '../../src/protocol/meta-flags.js';
import { Output, type Phrase } from '../../src/protocol/reply.js';

const flags = new MetaFlags();

/** Reads the flags behind the key of `mg KEY …`. */
function read(text: string): { refusal: string | null; line: Line } {
  const line = new Line();
  const bytes = Buffer.alloc(2048);
  const end = bytes.write(`${text}\r\n`, 'latin1');
  line.bytes = bytes;
  line.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  expect(line.scan(0, end)).toBe(true);
  return { refusal: shown(flags.read(line, 2)), line };
}

function shown(phrase: Phrase | null): string | null {
  if (phrase === null) return null;
  return Buffer.from(phrase.words.buffer, 0, phrase.length).toString().trim();
}

/** As memcached's protocol says it, a token at a time. */
function expected(tokens: readonly string[]): string | null {
  const seen = new Set<string>();
  let last: string | null = null;
  for (const token of tokens) {
    const letter = token[0]!;
    if (letter >= '\x7f' || seen.has(letter)) return 'CLIENT_ERROR duplicate flag';
    if (!'bcfhklqstuvxCDEFIJLMNOPRT'.includes(letter)) return 'CLIENT_ERROR invalid flag';
    seen.add(letter);
    const rest = token.slice(1);
    const number = /^[+]?\d{1,9}$/.test(rest);
    const signed = /^[+-]?\d{1,9}$/.test(rest);
    if ('NTR'.includes(letter) && !signed) last = 'CLIENT_ERROR bad token in command line format';
    if ('CE'.includes(letter) && !number) last = 'CLIENT_ERROR bad token in command line format';
    if (letter === 'D' && !number) last = 'CLIENT_ERROR invalid numeric delta value';
    if (letter === 'J' && !number) last = 'CLIENT_ERROR invalid numeric initial value';
    // A mistake in F has no words of its own.
    if (letter === 'F' && !number) last ??= 'CLIENT_ERROR bad command line format';
    if (letter === 'M' && rest.length !== 1) last = 'CLIENT_ERROR incorrect length for M token';
  }
  return last;
}

const letters = fc.constantFrom(
  ...'cfhklqstuvxCDEFIJLMNOPRTCDEFJMNRT',
  'a',
  'X',
  '!',
  '\x80',
  '\x7f',
);
const rest = fc.constantFrom('', '1', '60', '+7', '-1', 'x', '1x', 'E', '123456789');
const token = fc.tuple(letters, rest).map(([letter, text]) => letter + text);

describe('the flags', () => {
  test('are refused as memcached refuses them', () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        expect(read(`mg k ${tokens.join(' ')}`).refusal).toBe(expected(tokens));
      }),
    );
  });

  test('become bits and numbers', () => {
    const { refusal } = read(
      'mg key v k T60 N-1 R7 C18446744073709551615 F9 J4294967296 D2 M+ Oabc I q',
    );
    expect(refusal).toBeNull();
    expect(flags.lower).toBe(Lower.VALUE | Lower.KEY | Lower.QUIET);
    const {
      TOUCH,
      VIVIFY,
      RECACHE,
      COMPARE,
      CLIENT_FLAGS,
      INITIAL,
      DELTA,
      MODE,
      OPAQUE,
      INVALIDATE,
    } = Upper;
    const all = [
      TOUCH,
      VIVIFY,
      RECACHE,
      COMPARE,
      CLIENT_FLAGS,
      INITIAL,
      DELTA,
      MODE,
      OPAQUE,
      INVALIDATE,
    ];
    expect(flags.upper).toBe(all.reduce((sum, one) => sum | one, 0));
    expect(flags).toMatchObject({
      keyLength: 3,
      mode: 0x2b,
      exptime: 60,
      vivifyExptime: -1,
      recacheExptime: 7,
      touchesLast: false,
      clientFlags: 9,
      casLow: -1,
      casHigh: -1,
      deltaLow: 2,
      deltaHigh: 0,
      initialLow: 0,
      initialHigh: 1,
      opaqueTooLong: false,
    });
  });

  test('of one line leave nothing for the next', () => {
    read(`mg key v T60 N60 C5 F9 J7 D2 MI O${'x'.repeat(40)}`);
    expect(flags.opaqueTooLong).toBe(true);
    read('mg key');
    expect(flags).toMatchObject({
      lower: 0,
      upper: 0,
      mode: 0,
      exptime: 0,
      clientFlags: 0,
      casLow: 0,
      deltaLow: 1,
      initialLow: 0,
      opaqueTooLong: false,
    });
  });

  test('T or N, whichever stands behind the other', () => {
    read('mg k T1 N2');
    expect(flags.touchesLast).toBe(false);
    read('mg k N2 T1');
    expect(flags.touchesLast).toBe(true);
  });

  test('decode the key in place', () => {
    const { refusal, line } = read('mg Zm9vYmFy b k');
    expect(refusal).toBeNull();
    expect(flags.keyLength).toBe(6);
    expect(Buffer.from(line.bytes).toString('latin1', line.start(1), line.start(1) + 6)).toBe(
      'foobar',
    );
    expect(read('mg Zm9 b').refusal).toBe('CLIENT_ERROR error decoding key');
  });
});

describe('base64', () => {
  test('is read as Buffer writes it, and written as Buffer writes it', () => {
    const output = new Output(new ArrayBuffer(1024));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 187 }), (data) => {
        const text = Buffer.from(data).toString('base64');
        const bytes = Buffer.from(`xx${text}yy`, 'latin1');
        expect(decodeBase64(bytes, 2, text.length)).toBe(data.length);
        expect(bytes.subarray(2, 2 + data.length)).toEqual(Buffer.from(data));
        output.at = 0;
        putBase64(output, bytes, 2, data.length);
        expect(Buffer.from(output.bytes.subarray(0, output.at)).toString('latin1')).toBe(text);
      }),
    );
  });

  test('never grows, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 250 }), (data) => {
        const bytes = Buffer.concat([Buffer.from(data), Buffer.from('behind')]);
        const length = decodeBase64(bytes, 0, data.length);
        expect(length).toBeGreaterThanOrEqual(0);
        expect(length).toBeLessThanOrEqual(data.length);
        expect(bytes.toString('latin1', data.length)).toBe('behind');
      }),
    );
  });

  test('is needed for keys that would cut the line', () => {
    const needs = (text: string) => needsEncoding(Buffer.from(text, 'latin1'), 0, text.length);
    expect(['a b', 'a\n', '\0', 'a\r'].map(needs)).toEqual([true, true, true, true]);
    expect(['a', '\t\x01\xff', ''].map(needs)).toEqual([false, false, false]);
  });
});
