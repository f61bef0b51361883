/** The hello: proofs that cannot be replayed or sent back, and messages that are checked field by field. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { nonce, parse, plain } from '../../backup/channel/hello.js';
import { isProved, sessionKeys, withProof } from '../../backup/channel/proof.js';
import { geometryOf } from '../../src/store/layout.js';

const secret = Buffer.from('a secret of two nodes');
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('a proof', () => {
  const [s, p] = [nonce(randomBytes), nonce(randomBytes)];
  const { proof: key } = sessionKeys(secret, s, p);
  const said = [bytesOf({ nonce: s }), bytesOf({ nonce: p })];
  const message = withProof(key, 'standby', said, { node: 'n', epoch: 0 });

  test('holds for the same secret, role and nonces only', () => {
    expect(isProved(key, 'standby', said, message)).toBe(true);
    expect(isProved(key, 'primary', said, message)).toBe(false);
    const others = [
      sessionKeys(secret, p, s),
      sessionKeys(secret, s, nonce(randomBytes)),
      sessionKeys(Buffer.from('another'), s, p),
      sessionKeys(new Uint8Array(0), s, p),
    ];
    for (const { proof } of others) expect(isProved(proof, 'standby', said, message)).toBe(false);
    expect(isProved(key, 'standby', said, new Uint8Array(0))).toBe(false);
  });

  test('covers every byte of its message, and of all that was said before', () => {
    for (let i = 0; i < message.length; i++) {
      const altered = Buffer.from(message);
      altered[i]! ^= 1;
      expect([i, isProved(key, 'standby', said, altered)]).toEqual([i, false]);
    }
    const [hello, challenge] = said as [Uint8Array, Uint8Array];
    const moved = [
      [challenge, hello],
      [hello],
      [Buffer.concat([hello, challenge])],
      [hello.slice(0, -1), Buffer.concat([hello.slice(-1), challenge])],
      [bytesOf({ nonce: p }), challenge],
    ];
    for (const before of moved) expect(isProved(key, 'standby', before, message)).toBe(false);
  });

  test('is read as a field of its message', () => {
    const claims = { nonce: p, cipher: 'none' } as const;
    const challenge = withProof(key, 'primary', [said[0]!], claims);
    expect(parse('challenge', challenge)).toMatchObject(claims);
  });

  test('comes of keys that each have one purpose', () => {
    const keys = Object.values(sessionKeys(secret, s, p)).map((one) =>
      Buffer.from(one).toString('hex'),
    );
    expect(new Set(keys).size).toBe(3);
  });

  test('never uses a nonce twice', () => {
    const some = Array.from({ length: 100 }, () => nonce(randomBytes));
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
    geometry,
    ackTimeoutMs: 500,
    heartbeatMs: 20,
    clientPort: 11211,
    clientUdpPort: 0,
    clientPath: '',
    provider: '',
    fabricPort: 0,
    token: '',
    why: 'as --transport says',
    others: ['10.0.0.7:4000'],
    seenStandby: 'tcp:10.0.0.8:40000',
    seenPrimary: 'tcp6:[fe80::1]:4000',
  };

  const hello = { protocol: 1, layout: 1, nonce: nonce(randomBytes), cipher: 'any' };

  test('that is whole is read', () => {
    expect(parse('welcome', bytesOf(welcome))).toEqual(welcome);
    expect(parse('deposed', bytesOf({ node: 'n', link: null }))).toEqual({ node: 'n', link: null });
    expect(parse('hello', bytesOf(hello))).toEqual(hello);
  });

  test('with a field that is missing or of another kind is none', () => {
    for (const name of Object.keys(welcome)) {
      expect(parse('welcome', bytesOf({ ...welcome, [name]: undefined }))).toBeNull();
      expect(parse('welcome', bytesOf({ ...welcome, [name]: [7] }))).toBeNull();
    }
    for (const wrong of [
      { protocol: -1 },
      { protocol: 1.5 },
      { nonce: 'x' },
      { nonce: hello.nonce.toUpperCase() },
      { cipher: 'rot13' },
    ]) {
      expect(parse('hello', bytesOf({ ...hello, ...wrong }))).toBeNull();
    }
    expect(parse('proof', bytesOf(null))).toBeNull();
  });

  const evil = 'x\n2026-01-01 hotspare: all is well\r\x1b[2J\u202e\u2028\x00';

  test('with a name or an address that is none is none', () => {
    for (const name of [evil, '', 'n'.repeat(65), 'a b']) {
      expect(parse('welcome', bytesOf({ ...welcome, node: name }))).toBeNull();
    }
    for (const fields of [
      { cache: evil },
      { provider: evil },
      { token: evil },
      { epoch: 2 ** 32 },
    ]) {
      expect(parse('welcome', bytesOf({ ...welcome, ...fields }))).toBeNull();
    }
    for (const link of [evil, 'a b:1', '', '\x1b:1', 'h'.repeat(301)]) {
      expect(parse('deposed', bytesOf({ node: 'n', link }))).toBeNull();
    }
    for (const link of ['10.0.0.1:11299', '[fe80::1%eth0]:1', 'host-1.example:2']) {
      expect(parse('deposed', bytesOf({ node: 'n', link }))).toEqual({ node: 'n', link });
    }
  });

  test('shows nothing of a peer that is not plain, and nothing long', () => {
    const long = 'y'.repeat(3000);
    const refusal = parse('refusal', bytesOf({ code: 'FABRIC', reason: evil, remedy: long }))!;
    expect(refusal.reason).toBe(
      'x\\u{a}2026-01-01 hotspare: all is well\\u{d}\\u{1b}[2J\\u{202e}\\u{2028}\\u{0}',
    );
    expect(refusal.remedy.length).toBeLessThan(500);
    expect(parse('memory', bytesOf({ failure: evil, parts: [] }))!.failure).toBe(plain(evil));
    expect(parse('welcome', bytesOf({ ...welcome, why: evil }))!.why).toBe(plain(evil));
    expect(parse('refusal', bytesOf({ code: evil, reason: '', remedy: '' }))).toBeNull();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(plain(text)).toMatch(/^[^\p{C}\p{Zl}\p{Zp}]*$/u);
      }),
    );
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
