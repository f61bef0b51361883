/**
 * The lease: how a primary and its standby settle, without a third node, which of them may answer clients. Pure.
 *
 * A node that hears nothing cannot tell a dead neighbour from a cut wire. Each node therefore acts only under a promise
 * of the other, and each heartbeat and each ack renews these promises:
 *
 * - The standby promises: "I begin no takeover until `--dead-after` has passed since I heard you."
 * - The primary promises: "I answer nobody without you until your lease is over; until then you may take over."
 *
 * The giver of a promise counts from when it heard the other's message. The user counts from when it sent that message,
 * which was earlier, and so stops first, however slow the network is. A fifth of the time is left for unequal clocks.
 *
 *      primary                                     standby
 *      p: heartbeat n ───────────────────────────► s: hears n, begins nothing before s + dead-after
 *      answers until p + promise ◄──────────────── q: heartbeat m, echo n
 *      r: heartbeat n+1, echo m ─────────────────► may begin a takeover until q + lease
 *      l: loses it, answers nobody until l + hold
 *
 *                      promise < dead-after        lease < hold < ack timeout
 *
 * The primary's view of a standby (primary-lease.ts), and the standby's view of itself (standby-lease.ts):
 *
 *      COPYING ─SYNCED is sent─► COUNTED ─link lost─► HELD ─hold is over, or it gave up its copy─► OUT
 *                                   └──dropped: its lease is over, or it gave up its copy───────────┘
 *
 *      COPYING ─SYNCED─► WHOLE ─silence, and the lease holds─► CLAIMING ─the record says yes─► serves
 *         ▲                └────────dropped, or outranked───┐     │ the record says no, or too late
 *         └──────────────────────a new copy begins──────────┴─────┘
 *
 * A standby that is CLAIMING echoes and acks nothing any more, so that no promise outlives its decision. Without a
 * witness there is no record, and the answer is always yes: behind a cut the primary may go on although the standby has
 * taken over (docs/FAILOVER.md); but no standby takes over once its primary has gone on without it.
 */
import { clockMargin, leaseShare } from '../../src/base/limits.js';

/**
 * A record outside of both nodes, which has the last word where they cannot hear each other. While the answer is on its
 * way the node that asked neither answers clients nor promises anything. A refusal is final: another node reigns, and
 * will say so. Primary.ts asks for its release; a standby's claim is asked in the lease's tests alone, until there is a
 * witness.
 */
export interface ReignRecord {
  /** A standby asks to reign. */
  claim(answer: (granted: boolean) => void): void;
  /** A primary asks to go on without this standby. */
  release(node: string, answer: (granted: boolean) => void): void;
}

/** The record of two nodes without a witness. */
export const noRecord: ReignRecord = {
  claim: (answer) => answer(true),
  release: (_, answer) => answer(true),
};

/**
 * For how long after it sent a heartbeat that was echoed the standby may begin a takeover, by its clock. The standby
 * looks at its lease again right before each act of the takeover, as it may have stood still since it looked last.
 */
export function leaseMsOf(ackTimeoutMs: number): number {
  return ackTimeoutMs * leaseShare;
}

/**
 * How long a primary that lost its standby holds its replies: until the standby's lease is over by the slowest clock.
 */
export function holdMsOf(ackTimeoutMs: number): number {
  return leaseMsOf(ackTimeoutMs) * (1 + clockMargin);
}

/**
 * For how long after it sent a message that was heard a primary may answer, by its clock: a reply leaves only when this
 * time covers the moment at which its request was executed. Only messages that are known to have been heard count. A
 * message that was merely sent proves nothing, as a cut may swallow it.
 */
export function promiseMsOf(deadAfterMs: number): number {
  return deadAfterMs * (1 - clockMargin);
}
