/**
 * What two nodes say before they trust each other, and what else they say in words.
 *
 *      standby                                   primary
 *      HELLO     versions, nonce, cipher    ──►
 *                                           ◄──  CHALLENGE  nonce, cipher, proof
 *      PROOF     who it is, proof           ──►
 *                                           ◄──  WELCOME    geometry, epoch, times, link
 *      MEMORY    keys, for the RDMA link    ──►
 *
 * proof.ts makes the proofs and the keys; cipher.ts seals what comes behind them. Messages are JSON, at most 4 KiB, and
 * every field is checked: whatever a stranger sends, the answer is a refusal. Words for people are made plain here, so
 * that nothing a peer says can write a line of its own into a log, or steer a terminal.
 */
import { partsCount, type RemotePart } from '../../src/native/fabric.js';
import type { Geometry } from '../../src/store/layout.js';
import type { Cipher, CipherWish } from './cipher.js';

/** What every version says first: the rest of its hello may be another's. */
export interface Versions {
  readonly protocol: number;
  readonly layout: number;
}

export interface Hello extends Versions {
  readonly nonce: string;
  /** What the standby wants of the frames behind the proof. */
  readonly cipher: CipherWish;
}

export interface Challenge {
  readonly nonce: string;
  /** What both want. */
  readonly cipher: Cipher;
  readonly proof: string;
}

export interface Proof {
  readonly proof: string;
  /** Random name of the node, for logs. */
  readonly node: string;
  /** The reign that the node announces, for `outcome` (reign.ts); 0, '' and 0 of a standby, which has no reign. */
  readonly epoch: number;
  readonly cache: string;
  readonly changes: number;
  /** Where the node listens for standbys, or null: a deposed primary attaches there. */
  readonly link: string | null;
  /** Silence after which the node takes over. */
  readonly deadAfterMs: number;
  /** `--transport`, the providers the node can use (with commas), and what it lacks; see link-choice.ts. */
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
export interface MemoryRegistration {
  /** Why the RDMA link cannot be had; empty when it can. */
  readonly failure: string;
  readonly parts: readonly RemotePart[];
}

export interface Refusal {
  /** A code of src/base/errors.ts: LINK_REFUSED, LINK_VERSION, or LINK_BUSY: what waiting may cure. */
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

/** `random` gives so many bytes that nobody can guess. */
export function nonce(random: (bytes: number) => Buffer): string {
  return random(nonceBytes).toString('hex');
}

/** Words of a peer as they may be shown: what is not printable is escaped, and nothing is long. */
export function plain(text: string): string {
  const short = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return short.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

/** Longest words for people, in characters. */
const textMax = 400;

/** What a field may be. */
const kinds = {
  /** Whole and not negative. */
  number: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0,
  epoch: (value: unknown) => isWhole(value, 2 ** 32 - 1),
  port: (value: unknown) => isWhole(value, 65_535),
  /** 32 bytes in hexadecimal digits. */
  digits: (value: unknown) => matches(value, /^[0-9a-f]{64}$/),
  /** Of a node: it stands in logs. */
  name: (value: unknown) => matches(value, /^[\w.-]{1,64}$/),
  /** One of ours, or several with commas; may be empty. */
  word: (value: unknown) => matches(value, /^[\w.,-]{0,256}$/),
  wish: (value: unknown) => matches(value, /^(aes-gcm|none|any)$/),
  cipher: (value: unknown) => matches(value, /^(aes-gcm|none)$/),
  /** HOST:PORT, or null. */
  link: (value: unknown) => value === null || matches(value, /^[\w.:%[\]-]{1,300}$/),
  /** For people. */
  text: (value: unknown) => typeof value === 'string',
  object: (value: unknown) => typeof value === 'object' && value !== null,
} as const;

function isWhole(value: unknown, most: number): boolean {
  return kinds.number(value) && (value as number) <= most;
}

function matches(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}

type Fields = Readonly<Record<string, keyof typeof kinds>>;

const shapes = {
  versions: { protocol: 'number', layout: 'number' },
  hello: { protocol: 'number', layout: 'number', nonce: 'digits', cipher: 'wish' },
  challenge: { nonce: 'digits', cipher: 'cipher', proof: 'digits' },
  proof: {
    proof: 'digits',
    node: 'name',
    epoch: 'epoch',
    cache: 'word',
    changes: 'number',
    link: 'link',
    deadAfterMs: 'number',
    transport: 'word',
    providers: 'word',
    lacks: 'text',
  },
  welcome: {
    node: 'name',
    cache: 'word',
    epoch: 'epoch',
    sequence: 'number',
    geometry: 'object',
    ackTimeoutMs: 'number',
    heartbeatMs: 'number',
    clientPort: 'port',
    provider: 'word',
    fabricPort: 'port',
    token: 'word',
    why: 'text',
  },
  memory: { failure: 'text', parts: 'object' },
  refusal: { code: 'word', reason: 'text', remedy: 'text' },
  deposed: { node: 'name', link: 'link' },
} as const satisfies Record<string, Fields>;

interface Messages {
  versions: Versions;
  hello: Hello;
  challenge: Challenge;
  proof: Proof;
  welcome: Welcome;
  memory: MemoryRegistration;
  refusal: Refusal;
  deposed: Deposed;
}

/** A control message of this kind, or null when the bytes are none. Only the fields of its kind are in it. */
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
  const said = message as Record<string, unknown>;
  const fields: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(shape)) {
    const value = said[name];
    if (!kinds[type](value)) return null;
    fields[name] = type === 'text' ? plain(value as string) : value;
  }
  if (kind === 'welcome' && !isGeometry(fields['geometry'])) return null;
  if (kind === 'memory' && !areParts(fields['parts'], fields['failure'] === '')) return null;
  return fields as unknown as Messages[Kind];
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
