/**
 * The handshake of two nodes, and all other control messages.
 *
 *      standby                                   primary
 *      HELLO     versions, nonce, cipher    ──►
 *                                           ◄──  CHALLENGE  nonce, cipher, proof
 *      PROOF     who it is, proof           ──►
 *                                           ◄──  WELCOME    geometry, epoch, times, link
 *      MEMORY    keys, for the RDMA link    ──►
 *
 * proof.ts makes the proofs and the keys; cipher.ts seals the frames behind them. Messages are JSON, at most 4 KiB, and
 * every field is checked: any other bytes are answered by a refusal. Text for people is escaped here, so that no peer
 * can write a line of its own into a log, or steer a terminal.
 */
import { HotspareError } from '../../src/base/errors.js';
import { othersMost } from '../../src/base/limits.js';
import { partsCount, type RemotePart } from '../../src/native/fabric.js';
import type { Geometry } from '../../src/store/layout.js';
import type { Cipher, CipherWish } from './cipher.js';

/** The part of a HELLO that every version has; all other fields may differ. */
export interface Versions {
  readonly protocol: number;
  readonly layout: number;
}

export interface Hello extends Versions {
  readonly nonce: string;
  /** The cipher that the standby asks for. */
  readonly cipher: CipherWish;
}

export interface Challenge {
  readonly nonce: string;
  /** The cipher of the session. */
  readonly cipher: Cipher;
  readonly proof: string;
}

export interface Proof {
  readonly proof: string;
  /** Random name of the node, for logs. */
  readonly node: string;
  /** The reign that the node announces, for `outcome` (reign.ts); 0, '' and 0 for a standby, which has no reign. */
  readonly epoch: number;
  readonly cache: string;
  readonly changes: number;
  /** Where the node listens for standbys, or null. A deposed primary attaches there. */
  readonly link: string | null;
  /** The node whose reign ended this node's newest reign; empty where no other reign ended it. */
  readonly deposedBy: string;
  /** Silence after which the node takes over. */
  readonly deadAfterMs: number;
  /** `--transport`, the providers that the node can use (with commas), and why it lacks verbs; see link-choice.ts. */
  readonly transport: string;
  readonly providers: string;
  readonly lacks: string;
}

export interface Welcome {
  readonly node: string;
  /**
   * The identity of the primary's cache (`identityOf`): equal in all its copies, another after a start with empty
   * memory.
   */
  readonly cache: string;
  readonly epoch: number;
  readonly geometry: Geometry;
  readonly ackTimeoutMs: number;
  readonly heartbeatMs: number;
  /**
   * Where the primary's clients connect: ports of TCP and UDP, 0 for none, and the path of a UNIX socket, or ''. A
   * standby on the same machine may share them.
   */
  readonly clientPort: number;
  readonly clientUdpPort: number;
  readonly clientPath: string;
  /** The RDMA link's provider; empty for the TCP link. */
  readonly provider: string;
  /** Port of the RDMA link, and the token by which the primary recognizes this standby there. */
  readonly fabricPort: number;
  readonly token: string;
  /** Why this link was chosen. */
  readonly why: string;
  /**
   * Where other nodes that were standbys of this primary let standbys attach: behind a cut one of them may reign in its
   * place.
   */
  readonly others: readonly string[];
  /**
   * The two ends of this connection as the primary sees them: the standby's, and its own (tcp:10.0.0.2:4711). Empty
   * when the connection is gone.
   */
  readonly seenStandby: string;
  readonly seenPrimary: string;
}

/** The fields of the welcome that say where clients connect. */
export type ClientAddresses = Pick<Welcome, 'clientPort' | 'clientUdpPort' | 'clientPath'>;

/** The addresses of a primary that has no clients. */
export const noClients: ClientAddresses = { clientPort: 0, clientUdpPort: 0, clientPath: '' };

/** Where the primary may write into the standby's memory. Sent only behind the proof; new for each session. */
export interface MemoryRegistration {
  /** Why the RDMA link cannot be had; empty when it can. */
  readonly failure: string;
  readonly parts: readonly RemotePart[];
}

export interface Refusal {
  /** LINK_REFUSED, LINK_VERSION or LINK_BUSY (src/base/errors.ts); waiting may cure the last alone. */
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
  /**
   * The sender knows the receiver, by its proof, and does not count on its copy; otherwise it knows only what came, or
   * lacks something itself. Earlier versions do not say it.
   */
  readonly disowns: boolean | undefined;
}

/** Tells a deposed primary, its standbys, or an heir that gives way, which node reigns. */
export interface Deposed {
  /** The node that reigns. */
  readonly node: string;
  /** Where that node listens for standbys, or null. */
  readonly link: string | null;
}

/** Epoch of a DEPOSED that deposes nobody, and says only where to look. */
export const redirectEpoch = 0;

/** The remedy for two different versions. */
export const sameVersion = 'run the same version of hotspare on both nodes';

/** The refusal of a peer, `who`, whose proof is wrong. */
export function wrongSecret(who: string): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `${who} does not know the secret`,
    'give both nodes the same --secret-file',
  );
}

const nonceBytes = 32;

/** `random` returns so many bytes that nobody can guess. */
export function nonce(random: (bytes: number) => Buffer): string {
  return random(nonceBytes).toString('hex');
}

/** A peer's text, safe to show: cut to `textMax`, and all that is not printable escaped. */
export function plain(text: string): string {
  const short = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return short.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

/** Longest text for people, in characters. */
const textMax = 400;

/** Longest path, in characters. */
const pathMax = 300;

/** The checks of a field. */
const kinds = {
  /** Whole and not negative. */
  number: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0,
  epoch: (value: unknown) => isWhole(value, 2 ** 32 - 1),
  port: (value: unknown) => isWhole(value, 65_535),
  /** 32 bytes in hexadecimal digits. */
  digits: (value: unknown) => matches(value, /^[0-9a-f]{64}$/),
  /** The name of a node, which stands in logs. */
  name: (value: unknown) => matches(value, /^[\w.-]{1,64}$/),
  /** A word of the protocol, or several with commas; may be empty. */
  word: (value: unknown) => matches(value, /^[\w.,-]{0,256}$/),
  wish: (value: unknown) => matches(value, /^(aes-gcm|none|any)$/),
  cipher: (value: unknown) => matches(value, /^(aes-gcm|none)$/),
  /** HOST:PORT, or null. */
  link: (value: unknown) => value === null || matches(value, /^[\w.:%[\]-]{1,300}$/),
  links: (value: unknown) =>
    Array.isArray(value) &&
    value.length <= othersMost &&
    value.every((one) => one !== null && kinds.link(one)),
  /** An end of a connection, as the native transport shows it; may be empty. */
  end: (value: unknown) => matches(value, /^[\w.:[\]]{0,64}$/),
  /** A path in the file system; it is compared, and shown to nobody. */
  path: (value: unknown) => typeof value === 'string' && value.length <= pathMax,
  /** For people. */
  text: (value: unknown) => typeof value === 'string',
  /** May be missing. */
  flag: (value: unknown) => value === undefined || typeof value === 'boolean',
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
    deposedBy: 'word',
    deadAfterMs: 'number',
    transport: 'word',
    providers: 'word',
    lacks: 'text',
  },
  welcome: {
    node: 'name',
    cache: 'word',
    epoch: 'epoch',
    geometry: 'object',
    ackTimeoutMs: 'number',
    heartbeatMs: 'number',
    clientPort: 'port',
    clientUdpPort: 'port',
    clientPath: 'path',
    provider: 'word',
    fabricPort: 'port',
    token: 'word',
    why: 'text',
    others: 'links',
    seenStandby: 'end',
    seenPrimary: 'end',
  },
  memory: { failure: 'text', parts: 'object' },
  refusal: { code: 'word', reason: 'text', remedy: 'text', disowns: 'flag' },
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

/** A control message of this kind with its fields and no other; null when the bytes are none. */
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

/** 64-bit numbers in decimal digits; none in a message that says why RDMA cannot be had. */
function areParts(value: unknown, whole: boolean): value is readonly RemotePart[] {
  if (!Array.isArray(value) || value.length !== (whole ? partsCount : 0)) return false;
  const number = (text: unknown): boolean => typeof text === 'string' && /^\d{1,20}$/.test(text);
  return value.every((part) => number(part?.address) && number(part?.key));
}

/** A region is mapped from this geometry, so it is checked closely. */
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
