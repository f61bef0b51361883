/** What a node tells whoever started it, over Node's IPC channel: the pair and the drill read it. */

import { reportsUnreadMost } from '../src/base/limits.js';
import { monotonicMs } from '../src/native/clock.js';

export type Report =
  /** A standby's copy is whole. */
  | { readonly event: 'synced'; readonly atMs: number }
  /** A standby has begun a copy: what it held before is given up. */
  | { readonly event: 'copying'; readonly atMs: number }
  /** A standby has no primary, and looks for one. */
  | { readonly event: 'waiting'; readonly atMs: number }
  /** The node was sent a signal that ends it; whoever started the nodes ends them, in order. */
  | { readonly event: 'asked'; readonly signal: string; readonly atMs: number }
  /** A primary answers clients. `linkPort` is where standbys attach, 0 for nowhere. */
  | {
      readonly event: 'serving';
      readonly port: number;
      readonly linkPort: number;
      readonly epoch: number;
      readonly atMs: number;
    }
  /** The primary is found dead: by whom, and why. */
  | { readonly event: 'dead'; readonly reason: string; readonly atMs: number }
  /**
   * The standby asks for the end of the old primary before it serves; `Notice.fenced` is the answer. After `untilMs`
   * its lease is over, and the old primary must not be ended any more: it may have gone on alone.
   */
  | { readonly event: 'fence'; readonly untilMs: number; readonly atMs: number }
  /** A primary lost its standby; `dropped` when the standby may still be there. */
  | { readonly event: 'detached'; readonly dropped: boolean; readonly atMs: number }
  /** A primary's standby is in sync. */
  | { readonly event: 'attached'; readonly atMs: number }
  /** A node with a higher epoch reigns. */
  | { readonly event: 'deposed'; readonly epoch: number; readonly atMs: number };

/** What whoever started a node tells it. */
export interface Notice {
  /** The old primary has ended. False: it was not ended, for the lease was over. */
  readonly fenced?: boolean;
  /** The node shall end, in order. */
  readonly end?: true;
  /** The standby's process has ended. */
  readonly standbyDead?: true;
}

/** Sends a report. `atMs` is of the clock of all processes of this machine (default: now). */
export type Reporter = (what: WithoutTime<Report>, atMs?: number) => void;

/** A report as it is made. */
export type WithoutTime<R> = R extends Report ? Omit<R, 'atMs'> : never;

/** Reports that are not read yet. */
let unread = 0;

/**
 * Sends a report, when somebody listens. Times are CLOCK_BOOTTIME in ms, the same for all processes of a machine. A
 * report that cannot be sent stops nobody: it comes in the midst of a takeover.
 */
export const report: Reporter = (what, atMs = monotonicMs()) => {
  // Whoever listened may have left, as a daemon's starter does, or does not read.
  if (!process.connected || unread >= reportsUnreadMost) return;
  unread++;
  try {
    process.send!({ ...what, atMs }, () => unread--);
  } catch {
    unread--;
  }
};
