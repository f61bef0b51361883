/**
 * The port that a backup plugs into, and the mirror that the server uses without a backup.
 *
 * The server calls `commit` once, at the end of each tick, and hands the barrier it returns to the transport: the
 * replies of that tick leave when the mirror has released it (law 3). It asks `congested` before each command.
 */
import type { Journal } from './journal.js';

export interface Mirror {
  /** True while too much is committed and not acked: nothing more may be executed until acks come in. */
  readonly congested: boolean;
  /** True while fewer standbys are in sync than writes are taken with. */
  readonly refusesWrites: boolean;
  /**
   * Takes the records of the journal as a batch (none when it is empty) and returns the barrier for the replies of this
   * tick: the sequence of the newest unacked batch they may have seen, 0 when there is none.
   */
  commit(journal: Journal, nowMs: number): number;
  /** Lines of `stats` about the mirror: name and value. */
  stats(): Iterable<readonly [string, string | number]>;
  /** `stats mirror`: the same and more, for a closer look. */
  details(): Iterable<readonly [string, string | number]>;
}

/** No standby, and none expected: nothing is staged, every reply leaves at once. */
export const alone: Mirror = {
  congested: false,
  refusesWrites: false,
  commit: () => 0,
  stats: () => [['mirror_state', 'none']],
  details: () => [['mirror_state', 'none']],
};
