/** The hello: proofs that cannot be replayed or sent back, and messages that are checked field by field. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nonce, parse, proofsMatch, prove } from '../../backup/hello.js';
import { geometryOf } from '../../src/store/layout.js';

const secret = Buffer.from('a secret of two nodes');
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('a proof', () => {
  test('holds for the same secret, role and nonces only', () => {
    const [s, p] = [nonce(), nonce()];
    const proof = prove(secret, 'standby', s, p);
    expect(proofsMatch(proof, prove(secret, 'standby', s, p))).toBe(true);
    expect(proofsMatch(proof, prove(secret, 'primary', s, p))).toBe(false);
    expect(proofsMatch(proof, prove(secret, 'standby', p, s))).toBe(false);
    expect(proofsMatch(proof, prove(secret, 'standby', s, nonce()))).toBe(false);
    expect(proofsMatch(proof, prove(Buffer.from('another'), 'standby', s, p))).toBe(false);
    expect(proofsMatch(proof, '')).toBe(false);
  });

  test('never uses a nonce twice', () => {
    const some = Array.from({ length: 100 }, nonce);
    expect(new Set(some).size).toBe(100);
    expect(some.every((one) => /^[0-9a-f]{64}$/.test(one))).toBe(true);
  });
});

describe('a message', () => {
  const geometry = geometryOf({
    memoryBytes: 64 * 2 ** 20,
    itemBytesMax: 2 ** 20,
    chunkMin: 48,
    growthFactor: 1.25,
  });
  const welcome = {
    node: 'n',
    cache: '0123456789abcdef',
    epoch: 1,
    sequence: 0,
    geometry,
    ackTimeoutMs: 500,
    heartbeatMs: 20,
    clientPort: 11211,
    provider: '',
    fabricPort: 0,
    token: '',
    why: 'as --transport says',
  };

  test('that is whole is read', () => {
    expect(parse('welcome', bytesOf(welcome))).toEqual(welcome);
    expect(parse('deposed', bytesOf({ node: 'n', link: null }))).toEqual({ node: 'n', link: null });
    expect(parse('hello', bytesOf({ protocol: 1, layout: 1, nonce: 'x' }))).not.toBeNull();
  });

  test('with a field that is missing or of another kind is none', () => {
    for (const name of Object.keys(welcome)) {
      expect(parse('welcome', bytesOf({ ...welcome, [name]: undefined }))).toBeNull();
      expect(parse('welcome', bytesOf({ ...welcome, [name]: [] }))).toBeNull();
    }
    expect(parse('hello', bytesOf({ protocol: -1, layout: 1, nonce: 'x' }))).toBeNull();
    expect(parse('hello', bytesOf({ protocol: 1.5, layout: 1, nonce: 'x' }))).toBeNull();
    expect(parse('proof', bytesOf(null))).toBeNull();
  });

  test('with a geometry that cannot be is none', () => {
    const wrong = [
      { pageBytes: 3 * 2 ** 20 },
      { pageCount: 0 },
      { pageCount: 2 ** 21 },
      { bucketBits: 40 },
      { unitBytes: 12 },
      { growthFactor: 1 },
      { itemBytesMax: 2 ** 31 },
    ];
    for (const fields of wrong) {
      const other = { ...welcome, geometry: { ...geometry, ...fields } };
      expect(parse('welcome', bytesOf(other))).toBeNull();
    }
  });

  test('of any bytes is read or none, and never an exception', () => {
    const property = fc.property(fc.uint8Array(), fc.json(), (bytes, json) => {
      for (const kind of [
        'hello',
        'challenge',
        'proof',
        'welcome',
        'refusal',
        'deposed',
      ] as const) {
        expect(parse(kind, bytes)).toBeNull();
        parse(kind, Buffer.from(json));
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});
