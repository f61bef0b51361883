/**
 * How two nodes prove to each other that they know the secret, and the keys of their session.
 *
 * All keys are derived from the secret and both nonces (HKDF-SHA-256, RFC 5869), so that each session and each
 * direction has its own. A proof is an HMAC-SHA-256 (RFC 2104) over every byte said so far, and over its own message up
 * to the proof: a handshake any of whose fields was changed on its way fails. The proof covers the sender's role, so
 * that it cannot be sent back to its maker.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

export type Role = 'primary' | 'standby';

export interface SessionKeys {
  /** For the proofs of both sides. */
  readonly proof: Uint8Array;
  /** For the frames behind the proofs, one key for each direction. */
  readonly toPrimary: Uint8Array;
  readonly toStandby: Uint8Array;
}

/** Length of a key. */
export const keyBytes = 32;
/** Every message with a proof ends with it: 64 hexadecimal digits, a quotation mark and a brace. */
const proofDigits = 64;
const tail = '"}';

/** The keys of one session; nonces are hexadecimal. Without a secret the keys are no secret either. */
export function sessionKeys(
  secret: Uint8Array,
  standbyNonce: string,
  primaryNonce: string,
): SessionKeys {
  const salt = Buffer.from(standbyNonce + primaryNonce, 'hex');
  const key = (purpose: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', secret, salt, `hotspare 3 ${purpose}`, keyBytes));
  return {
    proof: key('proofs'),
    toPrimary: key('frames, standby to primary'),
    toStandby: key('frames, primary to standby'),
  };
}

/** The message as JSON, with the proof of `role` as its last field. `before`: the messages said before, in order. */
export function withProof(
  key: Uint8Array,
  role: Role,
  before: readonly Uint8Array[],
  message: object,
): Buffer {
  const claims = JSON.stringify({ ...message, proof: '' }).slice(0, -tail.length);
  const proof = proofOf(key, role, [...before, Buffer.from(claims)]);
  return Buffer.from(claims + proof + tail);
}

/** True when the message ends with the proof that `role` makes over it and the messages before it. */
export function isProved(
  key: Uint8Array,
  role: Role,
  before: readonly Uint8Array[],
  message: Uint8Array,
): boolean {
  const at = message.length - proofDigits - tail.length;
  if (at < 0) return false;
  const proof = Buffer.from(proofOf(key, role, [...before, message.subarray(0, at)]) + tail);
  return timingSafeEqual(proof, message.subarray(at));
}

/** Each part goes in behind its length, so that no byte can be moved from one part to the next. */
function proofOf(key: Uint8Array, role: Role, parts: readonly Uint8Array[]): string {
  const proof = createHmac('sha256', key).update(`hotspare 3 ${role}\n`);
  for (const part of parts) proof.update(`${part.length}\n`).update(part);
  return proof.digest('hex');
}
