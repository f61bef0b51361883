/**
 * What two nodes say before they trust each other, and how each proves that it knows the secret.
 *
 *      standby                                   primary
 *      HELLO     versions, nonce S          ──►
 *                                           ◄──  CHALLENGE  nonce P, HMAC(secret, "primary" S P)
 *      PROOF     HMAC(secret, "standby" S P), who it is ──►
 *                                           ◄──  WELCOME    geometry, epoch, times, link
 *      MEMORY    keys, for the RDMA link    ──►
 *
 * HMAC-SHA-256 over both nonces (RFC 2104); roles stand in the text, so that a proof cannot be sent back to its maker.
 * Without a secret the key is empty: that is allowed on loopback only. Messages are JSON, at most 4 KiB, and every
 * field is checked: whatever a stranger sends, the answer is a refusal.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { partsCount, type RemotePart } from '../src/fabric.js';
import type { Geometry } from '../src/store/layout.js';

export interface Hello {
  readonly protocol: number;
  readonly layout: number;
  readonly nonce: string;
}

export interface Challenge {
  readonly nonce: string;
  readonly proof: string;
}

export interface Proof {
  readonly proof: string;
  /** Random name of the node, for logs. */
  readonly node: string;
  /** The reign that the node heralds, for `outcome` (reign.ts); 0, '' and 0 of a standby, which reigns over nobody. */
  readonly epoch: number;
  readonly cache: string;
  readonly changes: number;
  /** Where the node listens for standbys, or null: a deposed primary attaches there. */
  readonly link: string | null;
  /** Silence after which the node takes over. */
  readonly deadAfterMs: number;
  /** `--transport`, the providers the node can use (with commas), and what it lacks; see choice.ts. */
  readonly transport: string;
  readonly providers: string;
  readonly lacks: string;
}

export interface Welcome {
  readonly node: string;
  /** Which cache it is (`identityOf`): the same in every copy of it, another after a start with empty memory. */
  readonly cache: string;
  readonly epoch: number;
  /** Sequence of the newest batch before the first one this standby will get. */
  readonly sequence: number;
  readonly geometry: Geometry;
  readonly ackTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Where the primary's clients connect, when it serves TCP; else 0. A standby on the same machine may share it. */
  readonly clientPort: number;
  /** The RDMA link's provider; empty for the TCP link. */
  readonly provider: string;
  /** Where to connect for it, and with what to prove that one was sent. */
  readonly fabricPort: number;
  readonly token: string;
  /** Why this link was chosen. */
  readonly why: string;
}

/** Where the primary may write: only behind the proof, and new for each session. */
export interface Memory {
  /** Why the RDMA link cannot be had; empty when it can. */
  readonly failure: string;
  readonly parts: readonly RemotePart[];
}

export interface Refusal {
  /** A code of src/errors.ts: LINK_REFUSED, LINK_VERSION, or LINK_BUSY: what waiting may cure. */
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
}

/** Says that another node reigns: to a primary that is deposed, to its standbys, and to an heir that gives way. */
export interface Deposed {
  /** The node that reigns. */
  readonly node: string;
  /** Where it listens for standbys, or null. */
  readonly link: string | null;
}

const nonceBytes = 32;

export function nonce(): string {
  return randomBytes(nonceBytes).toString('hex');
}

/** The proof of one role over both nonces. */
export function prove(
  secret: Uint8Array,
  role: 'primary' | 'standby',
  standbyNonce: string,
  primaryNonce: string,
): string {
  return createHmac('sha256', secret)
    .update(`hotspare ${role} ${standbyNonce} ${primaryNonce}`)
    .digest('hex');
}

/** Compares two proofs in constant time. */
export function proofsMatch(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

type Fields = Readonly<Record<string, 'number' | 'string' | 'object' | 'link'>>;

const shapes = {
  hello: { protocol: 'number', layout: 'number', nonce: 'string' },
  challenge: { nonce: 'string', proof: 'string' },
  proof: {
    proof: 'string',
    node: 'string',
    epoch: 'number',
    cache: 'string',
    changes: 'number',
    link: 'link',
    deadAfterMs: 'number',
    transport: 'string',
    providers: 'string',
    lacks: 'string',
  },
  welcome: {
    node: 'string',
    cache: 'string',
    epoch: 'number',
    sequence: 'number',
    geometry: 'object',
    ackTimeoutMs: 'number',
    heartbeatMs: 'number',
    clientPort: 'number',
    provider: 'string',
    fabricPort: 'number',
    token: 'string',
    why: 'string',
  },
  memory: { failure: 'string', parts: 'object' },
  refusal: { code: 'string', reason: 'string', remedy: 'string' },
  deposed: { node: 'string', link: 'link' },
} as const satisfies Record<string, Fields>;

interface Messages {
  hello: Hello;
  challenge: Challenge;
  proof: Proof;
  welcome: Welcome;
  memory: Memory;
  refusal: Refusal;
  deposed: Deposed;
}

/** A control message of this kind, or null when the bytes are none. Numbers are whole and not negative. */
export function parse<Kind extends keyof Messages>(
  kind: Kind,
  bytes: Uint8Array,
): Messages[Kind] | null {
  let message: unknown;
  try {
    message = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch {
    return null;
  }
  if (typeof message !== 'object' || message === null) return null;
  const shape: Fields = shapes[kind];
  const fields = message as Record<string, unknown>;
  for (const [name, type] of Object.entries(shape)) {
    if (!fits(fields[name], type)) return null;
  }
  if (kind === 'welcome' && !isGeometry(fields['geometry'])) return null;
  if (kind === 'memory' && !areParts(fields['parts'], fields['failure'] === '')) return null;
  return message as Messages[Kind];
}

function fits(value: unknown, type: string): boolean {
  if (type === 'link') return value === null || typeof value === 'string';
  if (type === 'number') return Number.isSafeInteger(value) && (value as number) >= 0;
  return typeof value === type && value !== null;
}

/** Numbers of 64 bits in decimal digits; none from one who has failed. */
function areParts(value: unknown, whole: boolean): value is readonly RemotePart[] {
  if (!Array.isArray(value) || value.length !== (whole ? partsCount : 0)) return false;
  const number = (text: unknown): boolean => typeof text === 'string' && /^\d{1,20}$/.test(text);
  return value.every((part) => number(part?.address) && number(part?.key));
}

/** Geometry is checked closely: a region is mapped after it. */
function isGeometry(value: unknown): value is Geometry {
  const geometry = value as Record<string, unknown>;
  const whole = (name: string, least: number, most: number): boolean => {
    const number = geometry[name];
    return (
      Number.isSafeInteger(number) && (number as number) >= least && (number as number) <= most
    );
  };
  const isPower = (name: string): boolean => Number.isInteger(Math.log2(geometry[name] as number));
  return (
    whole('pageBytes', 2 ** 20, 2 ** 30) &&
    isPower('pageBytes') &&
    whole('pageCount', 1, 2 ** 20) &&
    whole('bucketBits', 10, 30) &&
    whole('unitBytes', 8, 2 ** 16) &&
    isPower('unitBytes') &&
    whole('chunkMin', 1, 2 ** 19) &&
    whole('itemBytesMax', 1024, 2 ** 30) &&
    typeof geometry['growthFactor'] === 'number' &&
    geometry['growthFactor'] > 1 &&
    geometry['growthFactor'] <= 100
  );
}
