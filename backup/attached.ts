/** What a primary knows of the standby that mirrors it. */
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
