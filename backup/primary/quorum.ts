/** Decides which replies may leave (law 3): those that saw only batches which every standby in sync has acked. Pure. */

/** The part of a replica that decides which replies may leave. */
export interface Member {
  /** The newest batch that the replica has acked. */
  readonly acked: number;
  /** The standby is in sync, or was when it was lost: it may reign, and must then hold all that was acknowledged. */
  readonly isMember: boolean;
}

/** The newest batch, up to `sequence`, that every member has acked; `sequence` itself where there is no member. */
export function ackedByAll(sequence: number, replicas: readonly Member[]): number {
  let least = sequence;
  // Every tick comes by here. Acks are compared first, as most replicas have acked everything.
  for (const replica of replicas) {
    if (replica.acked < least && replica.isMember) least = replica.acked;
  }
  return least;
}
