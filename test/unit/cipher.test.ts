/** The frames' cipher, judged by node:crypto; and which sessions have one. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { agreed, cipherFailure, Opener, Sealer, wishOf } from '../../backup/channel/cipher.js';
import { frameHeaderBytes, tagBytes } from '../../backup/channel/frame.js';

const key = randomBytes(32);

/** As its standard says, with the number of the frame as nonce. */
function judge(frame: Uint8Array, count: number): Buffer {
  const head = frame.subarray(0, frameHeaderBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(count)).setAAD(head);
  const body = Buffer.concat([cipher.update(frame.subarray(frameHeaderBytes)), cipher.final()]);
  return Buffer.concat([head, body, cipher.getAuthTag()]);
}

function nonceOf(count: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(count), 4);
  return nonce;
}

/** A frame with a header of its own and so much payload. */
const frameOf = (bytes: number): Buffer => randomBytes(frameHeaderBytes + bytes);

function sealed(sealer: Sealer, frame: Uint8Array): Buffer {
  return Buffer.from(sealer.seal(frame, frame.length).subarray(0, frame.length + tagBytes));
}

test('there is one here', () => {
  expect(cipherFailure()).toBeNull();
});

describe('a sealed frame', () => {
  test('is what AES-256-GCM makes of it, frame after frame, and opens to what it was', () => {
    const [sealer, opener] = [new Sealer(key), new Opener(key)];
    let count = 0;
    const property = fc.property(fc.integer({ min: 0, max: 5000 }), fc.nat(9), (bytes, at) => {
      const frame = frameOf(bytes);
      const seal = sealed(sealer, frame);
      expect(seal).toEqual(judge(frame, count));
      count++;
      const input = Buffer.concat([randomBytes(at), seal, randomBytes(3)]);
      expect(opener.open(input, at, seal.length)).toBe(true);
      expect(input.subarray(at, at + frame.length)).toEqual(frame);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('of a block is, too', () => {
    const frame = frameOf(256 * 1024 + 12);
    const seal = sealed(new Sealer(key), frame);
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(0))
      .setAAD(seal.subarray(0, frameHeaderBytes))
      .setAuthTag(seal.subarray(-tagBytes));
    const body = decipher.update(seal.subarray(frameHeaderBytes, -tagBytes));
    decipher.final();
    expect(Buffer.compare(body, frame.subarray(frameHeaderBytes))).toBe(0);
  });

  test('with any one bit flipped does not open', () => {
    const seal = sealed(new Sealer(key), frameOf(20));
    for (let bit = 0; bit < seal.length * 8; bit++) {
      const flipped = Buffer.from(seal);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, new Opener(key).open(flipped, 0, flipped.length)]).toEqual([bit, false]);
    }
  });

  test('that is another than the next one does not open', () => {
    const sealer = new Sealer(key);
    const [first, second] = [sealed(sealer, frameOf(10)), sealed(sealer, frameOf(10))];
    const open = (opener: Opener, frame: Buffer) =>
      opener.open(Buffer.from(frame), 0, frame.length);
    expect(open(new Opener(key), second)).toBe(false);
    const again = new Opener(key);
    expect(open(again, first)).toBe(true);
    expect(open(again, first)).toBe(false);
    const other = new Opener(randomBytes(32));
    expect(open(other, first)).toBe(false);
  });

  test('that is shorter than a tag does not open', () => {
    expect(new Opener(key).open(new Uint8Array(47), 0, 47)).toBe(false);
  });
});

describe('a session', () => {
  const secret = Buffer.from('a secret of two nodes');
  const none = new Uint8Array(0);

  test.each([
    ['auto', secret, ['10.0.0.1', '10.0.0.2'], 'aes-gcm'],
    ['auto', secret, ['127.0.0.1', '127.0.0.1'], 'any'],
    ['auto', secret, ['::1', '::1'], 'any'],
    ['auto', secret, ['127.0.0.1', '10.0.0.2'], 'aes-gcm'],
    // The connection is gone: nothing is known of it.
    ['auto', secret, ['', ''], 'aes-gcm'],
    ['auto', none, ['127.0.0.1', '127.0.0.1'], 'any'],
    ['aes-gcm', secret, ['127.0.0.1', '127.0.0.1'], 'aes-gcm'],
    ['none', secret, ['10.0.0.1', '10.0.0.2'], 'none'],
  ] as const)('with --link-cipher %s, %j at %j: a node wants %s', (flag, key, hosts, wish) => {
    expect(wishOf(flag, key, ...hosts)).toBe(wish);
  });

  test.each([
    ['aes-gcm', 'aes-gcm', 'aes-gcm'],
    ['aes-gcm', 'any', 'aes-gcm'],
    ['aes-gcm', 'none', null],
    ['any', 'any', 'none'],
    ['any', 'none', 'none'],
    ['none', 'none', 'none'],
  ] as const)('of one that wants %s and one that wants %s has %s', (one, other, cipher) => {
    expect([agreed(one, other), agreed(other, one)]).toEqual([cipher, cipher]);
  });
});
