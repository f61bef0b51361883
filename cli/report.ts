/** Sends the reports of a node (failover/report.ts) to the process that started it, over Node's IPC channel. */
import type { Reporter } from '../failover/report.js';
import { reportsUnreadMost } from '../src/base/limits.js';
import { monotonicMs } from '../src/native/clock.js';

/** How many reports are not read yet. */
let unread = 0;

/**
 * Sends a report, when a supervisor listens. Times are CLOCK_BOOTTIME in ms, the same for all processes of a machine. A
 * report may come in the midst of a takeover, so one that cannot be sent is dropped.
 */
export const report: Reporter = (what, atMs = monotonicMs()) => {
  // The process that listened may have left, as a daemon's starter does, or may not read.
  if (!process.connected || unread >= reportsUnreadMost) return;
  unread++;
  try {
    process.send!({ ...what, atMs }, () => unread--);
  } catch {
    unread--;
  }
};
