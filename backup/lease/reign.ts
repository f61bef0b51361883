/**
 * Which of two nodes that both serve gives way when they meet. Pure.
 *
 * Two nodes without a witness may both serve behind a cut (docs/FAILOVER.md). When they meet again exactly one goes on,
 * and both come to the same verdict, whoever is asked:
 *
 * 1. A reign in which nothing was changed gives way to one in which something was: nothing is lost by it. An heir that
 *    nobody could reach must not depose a primary that went on acknowledging.
 * 2. Otherwise the higher (epoch, node) goes on. The node's name settles two reigns of one epoch.
 *
 * The caches of the two are usually one cache, copied. Where they are two caches (a node was started empty at the
 * address of a dead primary), the higher epoch goes on as well; of two epochs that are equal, or the wrong way round,
 * nobody can tell which cache the clients want, and both stay as they are.
 */

/** What a node says of its reign. */
export interface Reign {
  readonly epoch: number;
  /** The random name of the node. */
  readonly node: string;
  /** Which cache it serves (`identityOf`). */
  readonly cache: string;
  /** How many changes were acknowledged that the other node cannot have: since it reigns, or since it went on alone. */
  readonly changes: number;
}

/** Who goes on: the node that asks, the one it has met, or both, which serve two caches. */
export type Outcome = 'ours' | 'theirs' | 'apart';

export function outcome(ours: Reign, theirs: Reign): Outcome {
  if (ours.cache !== theirs.cache) return theirs.epoch > ours.epoch ? 'theirs' : 'apart';
  if (theirs.changes === 0 && ours.changes > 0) return 'ours';
  if (ours.changes === 0 && theirs.changes > 0) return 'theirs';
  if (theirs.epoch !== ours.epoch) return theirs.epoch > ours.epoch ? 'theirs' : 'ours';
  return theirs.node > ours.node ? 'theirs' : 'ours';
}
