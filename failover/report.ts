/**
 * The reports of a node to the process that started it, and the notices of a supervisor to a node. The pair and the
 * drill read the reports; cli/report.ts sends them.
 */

export type Report =
  /** A standby's copy is whole. */
  | { readonly event: 'synced'; readonly atMs: number }
  /** A standby has begun a copy of the primary `of`, and given up its earlier one. Nodes have random names. */
  | {
      readonly event: 'copying';
      readonly node: string;
      readonly of: string;
      readonly atMs: number;
    }
  /** A standby has no primary, and looks for one. */
  | { readonly event: 'waiting'; readonly atMs: number }
  /** The node was sent a signal that ends it; its supervisor ends both nodes, in order. */
  | { readonly event: 'asked'; readonly signal: string; readonly atMs: number }
  /** A primary, with this random name, answers clients. `linkPort`: where standbys attach, 0 for nowhere. */
  | {
      readonly event: 'serving';
      readonly node: string;
      readonly port: number;
      readonly linkPort: number;
      readonly epoch: number;
      readonly atMs: number;
    }
  /** The sender has found its primary dead, for this reason. */
  | { readonly event: 'dead'; readonly reason: string; readonly atMs: number }
  /**
   * The standby asks to end the old primary before it serves; `Notice.fenced` is the answer. After `untilMs` its lease
   * is over, and the old primary must not be ended any more, as it may have gone on alone.
   */
  | { readonly event: 'fence'; readonly untilMs: number; readonly atMs: number }
  /** A primary lost the standby of this name. `dropped`: it acked too late, and its process may still run. */
  | {
      readonly event: 'detached';
      readonly node: string;
      readonly dropped: boolean;
      readonly atMs: number;
    }
  /** The standby of this name is in sync with the primary. */
  | { readonly event: 'attached'; readonly node: string; readonly atMs: number }
  /** A node with a higher epoch reigns. */
  | { readonly event: 'deposed'; readonly epoch: number; readonly atMs: number };

/**
 * The answer of a supervisor to a standby that asks to end the old primary. 'oldEnded': it has ended. 'oldLives': it
 * was not ended, as the lease was over. 'rivalReigns': another standby serves in its place.
 */
export type Fenced = 'oldEnded' | 'oldLives' | 'rivalReigns';

/** The notices of a supervisor to a node. */
export interface Notice {
  readonly fenced?: Fenced;
  /** Another node reigns with this epoch, and standbys attach to it there. */
  readonly reigns?: { readonly epoch: number; readonly link: string };
  /** The node shall end, in order. */
  readonly end?: true;
  /** The process of the standby with this random name has ended. */
  readonly standbyDead?: string;
}

/** Sends a report. `atMs`: by the clock of all processes of this machine (default: now). */
export type Reporter = (what: WithoutTime<Report>, atMs?: number) => void;

/** A report before its time is added. */
export type WithoutTime<R> = R extends Report ? Omit<R, 'atMs'> : never;
