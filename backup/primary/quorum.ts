/** Which replies may leave (law 3): those that saw nothing which one of the in-sync set has not acked. Pure. */

/** A replica, as far as it is asked what may leave. */
export interface Member {
  /** Newest batch that it has acked. */
  readonly acked: number;
  /** It is in sync, or was when it was lost: it may reign, and must then hold all that was acknowledged. */
  readonly isMember: boolean;
}

/** The newest of all batches, up to `sequence`, that every member has acked; without a member nobody is waited for. */
export function ackedByAll(sequence: number, replicas: readonly Member[]): number {
  let least = sequence;
  // Every tick comes by here: acks are compared first, for of most replicas all is acked.
  for (const replica of replicas) {
    if (replica.acked < least && replica.isMember) least = replica.acked;
  }
  return least;
}
