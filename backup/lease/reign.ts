/**
 * Decides which of two nodes that both serve gives way when they meet. Pure.
 *
 * Two nodes without a witness may both serve while a cut is between them (docs/FAILOVER.md). When they meet again
 * exactly one goes on, and both come to the same verdict:
 *
 * 1. A reign in which nothing was changed gives way to one in which something was: nothing is lost by it. An heir that
 *    nobody could reach must not depose a primary that went on acknowledging.
 * 2. Otherwise the higher (epoch, node) goes on. The node's name settles two reigns of one epoch.
 *
 * The two usually serve copies of one cache. Where they serve two caches (a node was started empty at the address of a
 * dead primary), this node gives way to a higher epoch only: of its own or a lower epoch, nobody can tell which cache
 * the clients want, and both nodes stay as they are.
 */

/** A reign, as its node describes it. */
export interface Reign {
  readonly epoch: number;
  /** The random name of the node. */
  readonly node: string;
  /** The identity of the cache it serves (`identityOf`). */
  readonly cache: string;
  /** Acknowledged changes that the other node cannot have: since this reign began, or since this node went on alone. */
  readonly changes: number;
}

/** The reign that goes on: that of the node that asks, of the node it met, or both, as they serve two caches. */
export type Outcome = 'ours' | 'theirs' | 'apart';

export function outcome(ours: Reign, theirs: Reign): Outcome {
  if (ours.cache !== theirs.cache) return theirs.epoch > ours.epoch ? 'theirs' : 'apart';
  if (theirs.changes === 0 && ours.changes > 0) return 'ours';
  if (ours.changes === 0 && theirs.changes > 0) return 'theirs';
  if (theirs.epoch !== ours.epoch) return theirs.epoch > ours.epoch ? 'theirs' : 'ours';
  return theirs.node > ours.node ? 'theirs' : 'ours';
}
