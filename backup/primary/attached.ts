/** What a primary knows of the standby that mirrors it, and what it tells its owner. */
import { copyingMs } from '../../src/base/limits.js';
import type { Channel } from '../channel/channel.js';
import type { FrameHeader } from '../channel/frame.js';
import type { Proof } from '../channel/hello.js';
import type { Link } from '../link/link.js';
import type { Opening } from '../link/opening.js';
import type { Resync } from './resync.js';

export interface Attached {
  readonly channel: Channel;
  /** How its link comes to be; it ends with it. */
  opening: Opening | null;
  /** Null until it is open; no copy begins before. */
  link: Link | null;
  readonly node: string;
  /** Where it lets standbys attach when it reigns, or null. */
  readonly address: string | null;
  /** Silence after which it takes over. */
  readonly deadAfterMs: number;
  /** The copy, while it is not whole. */
  resync: Resync | null;
  /** True from when SYNCED was given to the link: from then on replies wait. */
  inSync: boolean;
  /** The batch SYNCED stands behind. */
  syncedSequence: number;
  /** True when, since then, one of its heartbeats was echoed: it may take over now. */
  confirmed: boolean;
  blocksAcked: number;
  /** Its newest heartbeat, and when a frame last came from it. */
  heardBeat: number;
  heardMs: number;
}

/** The degrade rule: why a standby is dropped that owes an ack, and was silent, for so long; null when it is not. */
export function overdue(
  { inSync }: Attached,
  waitedMs: number,
  silentMs: number,
  ackTimeoutMs: number,
): string | null {
  // While it copies nobody waits for it, and mapping its memory may take long.
  const limitMs = inSync ? ackTimeoutMs : copyingMs;
  if (waitedMs <= limitMs && silentMs <= limitMs) return null;
  const what = waitedMs > limitMs ? 'no ack' : 'nothing heard';
  const ms = Math.round(Math.max(waitedMs, silentMs));
  return `${what} for ${ms} ms (${inSync ? `--ack-timeout ${limitMs}` : `${limitMs} ms`})`;
}

/** A frame that is the link's, or from which one comes to be. False when it is neither. */
export function takes({ link, opening }: Attached, header: FrameHeader): boolean {
  return link === null ? opening?.ready(header.type) === true : link.frame(header);
}

/** What a primary tells its owner. */
export interface PrimaryEvents {
  /** A standby is in sync. */
  synced(): void;
  /** The standby is gone: `dropped` when the degrade rule ended it. */
  detached(reason: string, dropped: boolean): void;
  /** Another node reigns; `link` is where to attach to it, if it said so. `lost`: changes that are given up with it. */
  deposed(epoch: number, link: string | null, lost: number): void;
}

/** One that has just proved itself. */
export function attached(channel: Channel, proof: Proof, nowMs: number): Attached {
  return {
    channel,
    opening: null,
    link: null,
    node: proof.node,
    address: proof.link,
    deadAfterMs: proof.deadAfterMs,
    resync: null,
    inSync: false,
    syncedSequence: 0,
    confirmed: false,
    blocksAcked: 0,
    heardBeat: 0,
    heardMs: nowMs,
  };
}
