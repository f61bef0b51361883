/**
 * AES-256-GCM (NIST SP 800-38D) for the frames behind the proof: encrypts the payload, and authenticates it with the
 * header. The nonce is the number of the frame in its direction, and is not sent: a frame that was replayed, swapped
 * or altered, or comes from the other direction or behind a lost frame, does not open, and no frame behind it does. The
 * addon encrypts, with the OpenSSL that Node carries, because node:crypto takes ten times as long for a small frame.
 *
 * Both nodes agree on the cipher in the handshake, where every byte is proved.
 */
import { assert } from '../../src/base/errors.js';
import { isLoopback } from '../../src/flags/settings.js';
import { failed, type NativeCipher, type NativeFailure, native } from '../../src/native/addon.js';
import { frameHeaderBytes, tagBytes } from './frame.js';
import { keyBytes } from './proof.js';

/** `--link-cipher`: whether frames between nodes are encrypted; auto: only where the link leaves the machine. */
export const linkCiphers = ['auto', 'aes-gcm', 'none'] as const;
export type LinkCipher = (typeof linkCiphers)[number];

/** The cipher that a node asks for: with `any` the node does without, and encrypts where the peer insists. */
export type CipherWish = 'aes-gcm' | 'none' | 'any';
export type Cipher = 'aes-gcm' | 'none';

/** The settings that a handshake needs: the bytes of `--secret-file`, and `--link-cipher`. */
export interface HandshakeSettings {
  readonly secret: Uint8Array;
  readonly cipher: LinkCipher;
}

/** Between two processes of one machine the proof is enough: only root can change bytes on their way. */
export function wishOf(
  flag: LinkCipher,
  secret: Uint8Array,
  ...hosts: readonly string[]
): CipherWish {
  if (flag !== 'auto') return flag;
  return secret.length > 0 && !hosts.every(isLoopback) ? 'aes-gcm' : 'any';
}

/** The cipher of the session; null where the two wishes exclude each other. */
export function agreed(one: CipherWish, other: CipherWish): Cipher | null {
  const wishes = [one, other];
  if (!wishes.includes('aes-gcm')) return 'none';
  return wishes.includes('none') ? null : 'aes-gcm';
}

/** The cipher of outgoing frames. */
export class Sealer {
  private readonly cipher: NativeCipher;
  private sealed = new Uint8Array(4096);

  constructor(key: Uint8Array) {
    this.cipher = cipherOf(key, true);
  }

  /**
   * Seals the frame in the first `length` of `bytes`, whose header counts the tag already. The result (header,
   * encrypted payload, tag) is valid until the next call.
   */
  seal(bytes: Uint8Array, length: number): Uint8Array {
    const total = length + tagBytes;
    if (this.sealed.length < total) this.sealed = new Uint8Array(2 * total);
    assert(this.cipher.seal(bytes, 0, length, this.sealed), 'OpenSSL encrypts');
    return this.sealed;
  }
}

/** The cipher of incoming frames. */
export class Opener {
  private readonly cipher: NativeCipher;

  constructor(key: Uint8Array) {
    this.cipher = cipherOf(key, false);
  }

  /**
   * Decrypts the frame at `at` in place; `length` counts its header and tag. False when it is not the frame that the
   * peer sent next.
   */
  open(bytes: Uint8Array, at: number, length: number): boolean {
    return length >= frameHeaderBytes + tagBytes && this.cipher.open(bytes, at, length);
  }
}

/** Why frames cannot be sealed here, or null. */
export function cipherFailure(): NativeFailure | null {
  const cipher = native.cipherCreate(new Uint8Array(keyBytes), 0, keyBytes, frameHeaderBytes, true);
  return failed(cipher) ? cipher : null;
}

function cipherOf(key: Uint8Array, seals: boolean): NativeCipher {
  const cipher = native.cipherCreate(key, 0, key.length, frameHeaderBytes, seals);
  assert(!failed(cipher), 'flags.ts has asked whether there is a cipher');
  return cipher;
}
