/**
 * AES-256-GCM (NIST SP 800-38D) for the frames behind the proof: encrypts the payload, and authenticates it with the
 * header. The nonce is the number of the frame in its direction, and is not sent: a frame that was replayed, lost,
 * swapped, altered, or comes from the other direction, does not open, and neither does any behind it.
 *
 * Which sessions have it is agreed on in the hello, where every word is proved.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { LinkCipher } from '../src/flags/transport.js';
import { isLoopback } from '../src/options.js';
import { frameHeaderBytes, tagBytes } from './frame.js';

/** What one node wants of the session: `any` is content without, and takes it where the peer insists. */
export type CipherWish = 'aes-gcm' | 'none' | 'any';
export type Cipher = 'aes-gcm' | 'none';

/** Between two processes of one machine the proof is enough: nobody but root stands in between. */
export function wishOf(
  flag: LinkCipher,
  secret: Uint8Array,
  ...hosts: readonly string[]
): CipherWish {
  if (flag !== 'auto') return flag;
  return secret.length > 0 && !hosts.every(isLoopback) ? 'aes-gcm' : 'any';
}

/** The cipher of both; null where they exclude each other. */
export function agreed(one: CipherWish, other: CipherWish): Cipher | null {
  const wishes = [one, other];
  if (!wishes.includes('aes-gcm')) return 'none';
  return wishes.includes('none') ? null : 'aes-gcm';
}

const algorithm = 'aes-256-gcm';
const options = { authTagLength: tagBytes } as const;
const nonceBytes = 12;

/** Counts the frames of one direction. */
class Frames {
  readonly key: KeyObject;
  private readonly nonce = new Uint8Array(nonceBytes);
  private readonly view = new DataView(this.nonce.buffer);
  private count = 0;

  constructor(key: Uint8Array) {
    this.key = createSecretKey(key);
  }

  /** The nonce of the next frame; no other has the same. */
  next(): Uint8Array {
    this.view.setUint32(4, Math.floor(this.count / 4294967296));
    this.view.setUint32(8, this.count >>> 0);
    this.count++;
    return this.nonce;
  }
}

/** One direction, outgoing. */
export class Sealer {
  private readonly frames: Frames;
  private sealed = new Uint8Array(4096);

  constructor(key: Uint8Array) {
    this.frames = new Frames(key);
  }

  /**
   * The frame whose header and payload stand at the start of `bytes`, sealed: header, encrypted payload, tag. Valid
   * until the next call. The header's length already counts the tag.
   */
  seal(bytes: Uint8Array, payloadBytes: number): Uint8Array {
    const end = frameHeaderBytes + payloadBytes;
    if (this.sealed.length < end + tagBytes) this.sealed = new Uint8Array(2 * (end + tagBytes));
    const { sealed } = this;
    const header = bytes.subarray(0, frameHeaderBytes);
    const cipher = createCipheriv(algorithm, this.frames.key, this.frames.next(), options);
    cipher.setAAD(header);
    sealed.set(header);
    if (payloadBytes > 0) {
      sealed.set(cipher.update(bytes.subarray(frameHeaderBytes, end)), frameHeaderBytes);
    }
    cipher.final();
    sealed.set(cipher.getAuthTag(), end);
    return sealed.subarray(0, end + tagBytes);
  }
}

/** One direction, incoming. */
export class Opener {
  private readonly frames: Frames;

  constructor(key: Uint8Array) {
    this.frames = new Frames(key);
  }

  /**
   * The payload of the frame whose header stands at `at`, with `length` bytes behind it; null when it is not the one
   * that the peer sent next.
   */
  open(bytes: Uint8Array, at: number, length: number): Uint8Array | null {
    if (length < tagBytes) return null;
    const from = at + frameHeaderBytes;
    const to = from + length - tagBytes;
    const cipher = createDecipheriv(algorithm, this.frames.key, this.frames.next(), options);
    cipher.setAAD(bytes.subarray(at, from));
    cipher.setAuthTag(bytes.subarray(to, to + tagBytes));
    const payload = cipher.update(bytes.subarray(from, to));
    try {
      cipher.final();
    } catch {
      return null;
    }
    return payload;
  }
}
