/**
 * The reports of a node to the process that started it, and the notices of a supervisor to a node. The pair and the
 * drill read the reports; cli/report.ts sends them.
 */

export type Report =
  /** A standby's copy is whole. */
  | { readonly event: 'synced'; readonly atMs: number }
  /** A standby has begun a copy, and given up its earlier one. */
  | { readonly event: 'copying'; readonly atMs: number }
  /** A standby has no primary, and looks for one. */
  | { readonly event: 'waiting'; readonly atMs: number }
  /** The node was sent a signal that ends it; its supervisor ends both nodes, in order. */
  | { readonly event: 'asked'; readonly signal: string; readonly atMs: number }
  /** A primary answers clients. `linkPort`: where standbys attach, 0 for nowhere. */
  | {
      readonly event: 'serving';
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
  /** A primary lost its standby. `dropped`: the standby acked too late, and its process may still run. */
  | { readonly event: 'detached'; readonly dropped: boolean; readonly atMs: number }
  /** A primary's standby is in sync. */
  | { readonly event: 'attached'; readonly atMs: number }
  /** A node with a higher epoch reigns. */
  | { readonly event: 'deposed'; readonly epoch: number; readonly atMs: number };

/** The notices of a supervisor to a node. */
export interface Notice {
  /** Whether the old primary has ended. False: it was not ended, as the lease was over. */
  readonly fenced?: boolean;
  /** The node shall end, in order. */
  readonly end?: true;
  /** The standby's process has ended. */
  readonly standbyDead?: true;
}

/** Sends a report. `atMs`: by the clock of all processes of this machine (default: now). */
export type Reporter = (what: WithoutTime<Report>, atMs?: number) => void;

/** A report before its time is added. */
export type WithoutTime<R> = R extends Report ? Omit<R, 'atMs'> : never;
