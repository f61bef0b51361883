/** What a primary knows of the standby that mirrors it, and what it tells its owner. */
import type { Channel } from './channel.js';
import type { Link } from './link.js';
import type { Resync } from './resync.js';

export interface Attached {
  readonly channel: Channel;
  readonly link: Link;
  readonly node: string;
  /** Silence after which it takes over. */
  readonly deadAfterMs: number;
  /** The copy, while it is not whole. */
  resync: Resync | null;
  /** True from when SYNCED was sent. */
  inSync: boolean;
  /** True when, since then, one of its heartbeats was echoed: it may take over now. */
  confirmed: boolean;
  blocksAcked: number;
  /** Its newest heartbeat, and when a frame last came from it. */
  heardBeat: number;
  heardMs: number;
}

/** What a primary tells its owner. */
export interface PrimaryEvents {
  /** A standby is in sync. */
  synced(): void;
  /** The standby is gone: `dropped` when the degrade rule ended it. */
  detached(reason: string, dropped: boolean): void;
  /** Somebody reigns with a higher epoch; `link` is where to attach to it, if it said so. */
  deposed(epoch: number, link: string | null): void;
}
