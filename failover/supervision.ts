/**
 * Decides what the supervisor of a pair does: which node it ends, when it starts a standby, and what it tells the
 * nodes. Pure. The supervisor (pair.ts) reports what it observes; `supervise` returns the pair's next state and the
 * actions, which the supervisor carries out. The simulator's supervisor uses this same table (test/sim/supervisor.ts).
 */
// biome-ignore format: the drawing
/*
 *   STARTING ─serves─► ALONE ─a standby is started─► COPYING ─in sync─► MIRRORED
 *                      ▲ ▲ ▲                            │                │   │ the primary ends, or is killed
 *                      │ │ └────the standby ends────────┘                │   ▼
 *                      │ └──────the standby ends, or is killed───────────┘ TAKING OVER
 *                      └────────the standby serves────────────────────────────┘
 *
 *   STARTING, ALONE, COPYING ─the primary ends─► GONE ◄─the standby ends, or has no copy to serve─ TAKING OVER
 *
 * The rules, in short: a node is killed only for the sake of another that has the whole cache and lives; the primary is
 * killed only while the standby's lease holds, as it may go on alone afterwards; a standby is told that the primary has
 * ended only if that was so while the lease held; a node without a whole copy is not left alone. Of several standbys
 * one is let take over at a time, the first that asked; the others are led to it once it serves.
 */
import { assert } from '../src/base/errors.js';
import { standbysMost } from '../src/base/limits.js';
import type { Notice, Report, WithoutTime } from './report.js';

/** The names of the nodes: a primary and its standbys. */
export const memberNames = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] as const;
export type MemberName = (typeof memberNames)[number];
assert(memberNames.length === standbysMost + 1, 'every node has a name');

/** A node of the pair, as far as its reports tell. */
export interface MemberState {
  readonly role: 'primary' | 'standby';
  /** The random name of the node; empty until the node has reported it. */
  readonly node: string;
  /** The random name of the primary whose copy a standby has; empty before the first. */
  readonly primary: string;
  /** A standby's copy is whole, or a primary serves. */
  readonly ready: boolean;
  /** The node serves, or has served. */
  readonly hasReigned: boolean;
  /** The node is being ended: its reports are not acted on. */
  readonly doomed: boolean;
  /** When the node was killed, by the supervisor's clock; null for a node that was not. */
  readonly killedMs: number | null;
  /** A standby has asked to end its primary, and waits for the answer: when its lease is over. Null: it does not. */
  readonly asksUntilMs: number | null;
}

export type Members = Readonly<Partial<Record<MemberName, MemberState>>>;

export interface PairState {
  /** How many nodes there should be: a primary and its standbys. */
  readonly size: number;
  readonly members: Members;
  /** The node that served last, while its process lives. */
  readonly leader: MemberName | null;
  /** The standby that was let take over, until it serves or has ended. Never two at a time. */
  readonly heir: MemberName | null;
  /** When the last primary that is gone ended, or was killed. */
  readonly goneMs: number;
  /** The operator ends the pair. */
  readonly isEnding: boolean;
  /** A node has served. */
  readonly hasServed: boolean;
  /** Standbys in a row that ended before they were in sync. */
  readonly failures: number;
}

/** Observations of the supervisor. `of`: the node that reports, or that is reported on. */
export type PairObservation =
  /** The operator starts the pair. */
  | { readonly what: 'begun' }
  /** A primary answers clients. */
  | { readonly what: 'serving'; readonly of: MemberName; readonly node: string }
  | { readonly what: 'synced'; readonly of: MemberName }
  /** A standby begins a copy of this primary. Nodes are told apart by their random names, too. */
  | {
      readonly what: 'copying';
      readonly of: MemberName;
      readonly node: string;
      readonly primary: string;
    }
  /** A node has no whole copy any more: it looks for a primary, or was deposed. */
  | { readonly what: 'copyGivenUp'; readonly of: MemberName }
  /** A standby asks to end the primary, which does not speak. Its lease is over at `untilMs`; it is `nowMs`. */
  | {
      readonly what: 'fence';
      readonly of: MemberName;
      readonly untilMs: number;
      readonly nowMs: number;
    }
  /** A primary goes on without a standby, which acked too late. */
  | {
      readonly what: 'standbyDropped';
      readonly of: MemberName;
      readonly node: string;
      readonly nowMs: number;
    }
  /** A node was sent a signal that ends it. */
  | { readonly what: 'signalled'; readonly of: MemberName; readonly signal: string }
  /** If all processes of the pair were sent the signal, the pair is ending by now. */
  | { readonly what: 'signalledAlone'; readonly of: MemberName; readonly signal: string }
  /** A process has ended, or could not be started. `status`: its exit status; null if a signal ended it. */
  | {
      readonly what: 'exited';
      readonly of: MemberName;
      readonly reason: string;
      readonly status: number | null;
      readonly nowMs: number;
    }
  /** The pause before a standby is started is over. */
  | { readonly what: 'startDue' }
  /** The operator ends the pair. */
  | { readonly what: 'stopped' };

export type PairAction =
  | { readonly act: 'startPrimary'; readonly name: MemberName }
  | { readonly act: 'startStandby'; readonly name: MemberName; readonly of: MemberName }
  | { readonly act: 'kill'; readonly name: MemberName }
  /** End a node in order, and kill it if it takes too long. */
  | { readonly act: 'end'; readonly name: MemberName }
  | { readonly act: 'notify'; readonly name: MemberName; readonly notice: Notice }
  /** Tell a standby which node serves, and where standbys attach to it. */
  | { readonly act: 'lead'; readonly name: MemberName; readonly to: MemberName }
  /** Report an observation after a pause, unless it is of a node that has ended meanwhile. */
  | { readonly act: 'later'; readonly ms: number; readonly seen: PairObservation }
  | { readonly act: 'say'; readonly text: string }
  /** All nodes are gone. `status`: the exit status of a first primary that never served; null otherwise. */
  | { readonly act: 'endPair'; readonly reason: string; readonly status: number | null };

type What = PairObservation['what'];
type Seen<W extends What> = Extract<PairObservation, { what: W }>;

export interface Supervised {
  readonly pair: PairState;
  readonly actions: readonly PairAction[];
}

type Rules = { readonly [W in What]: (pair: PairState, seen: Seen<W>) => Supervised };

/** A standby that ended before it was in sync is started again after this long, doubled each time up to the most. */
const restartMsLeast = 100;
const restartMsMost = 10_000;
/**
 * Pause after a takeover, in which the clients come first: a starting node takes a processor for about as long, which
 * doubled the gap that clients saw on a machine with two processors.
 */
const replaceMs = 100;
/** A signal that was sent to all processes of a pair reaches the pair itself within this. */
const signalledMs = 200;

/** A pair that was not started yet, with so many standbys. */
export function firstPair(standbys = 1): PairState {
  return {
    size: standbys + 1,
    members: {},
    leader: null,
    heir: null,
    goneMs: Number.NEGATIVE_INFINITY,
    isEnding: false,
    hasServed: false,
    failures: 0,
  };
}

const rules: Rules = {
  begun: (pair) => ({
    pair: { ...pair, members: { a: newMember('primary') } },
    actions: [{ act: 'startPrimary', name: 'a' }],
  }),

  serving: (before, { of, node }) => {
    const isHeir = before.members[of]!.role === 'standby';
    const sets = { role: 'primary', ready: true, hasReigned: true, node } as const;
    const next = { leader: of, heir: null, hasServed: true };
    const pair: PairState = { ...change(before, of, sets), ...next };
    const led = isHeir ? followers(pair, of).flatMap((name) => lead(name, of, pair)) : [];
    let answered = pair;
    for (const name of names(pair)) answered = change(answered, name, { asksUntilMs: null });
    const isFull = names(pair).length >= pair.size;
    return {
      pair: answered,
      actions: isFull ? led : [...led, startLater(isHeir ? replaceMs : 0)],
    };
  },

  startDue: (before) => {
    const of = leaderOf(before);
    if (before.isEnding || of === null) return stay(before);
    let pair = before;
    const actions: PairAction[] = [];
    for (const name of memberNames.slice(0, before.size)) {
      if (before.members[name] !== undefined) continue;
      pair = { ...pair, members: { ...pair.members, [name]: newMember('standby') } };
      actions.push({ act: 'startStandby', name, of });
    }
    return { pair, actions };
  },

  synced: (pair, { of }) => stay({ ...change(pair, of, { ready: true }), failures: 0 }),

  copying: (pair, { of, node, primary }) => givenUp(change(pair, of, { node, primary }), of),

  copyGivenUp: (pair, { of }) => givenUp(pair, of),

  // Once the standby's lease is over the primary may have gone on alone: it is not ended then, and if it has ended
  // since, the standby's copy may be out of date.
  fence: (pair, { of, untilMs, nowMs }) => {
    const { primary, ready } = pair.members[of]!;
    const leader = leaderOf(pair);
    if (leader !== null && pair.members[leader]!.node !== primary) {
      return { pair, actions: lead(of, leader, change(pair, of, { asksUntilMs: untilMs })) };
    }
    const old = oldPrimary(pair, of);
    const goneMs = old === null ? pair.goneMs : (pair.members[old]!.killedMs ?? nowMs);
    if (goneMs >= untilMs || !ready) {
      const why = goneMs >= untilMs ? 'its lease is over' : 'it has no whole copy any more';
      const text = `node ${of} asks too late to take over: ${why}`;
      const refused = change(pair, of, { asksUntilMs: null });
      return { pair: refused, actions: [{ act: 'say', text }, tell(of, { fenced: 'oldLives' })] };
    }
    const asking = change(pair, of, { asksUntilMs: untilMs });
    // Another standby takes over already: the answer follows when that one serves, or has ended.
    if (pair.heir !== null && pair.heir !== of) return stay(asking);
    const chosen = { ...asking, heir: of };
    if (old === null) return answer(chosen, of);
    // The answer follows when the primary's process has ended.
    return kill(chosen, old, nowMs, 'it does not speak');
  },

  standbyDropped: (pair, { of, node, nowMs }) => {
    const name = followers(pair, of).find((one) => pair.members[one]!.node === node);
    return name === undefined || leaderOf(pair) !== of
      ? stay(pair)
      : kill(pair, name, nowMs, 'it does not ack');
  },

  signalled: (pair, { of, signal }) => ({
    pair,
    actions: [{ act: 'later', ms: signalledMs, seen: { what: 'signalledAlone', of, signal } }],
  }),

  signalledAlone: (pair, { of, signal }) => ({
    pair,
    actions: [
      { act: 'say', text: `node ${of} was sent ${signal}, and ends` },
      tell(of, { end: true }),
    ],
  }),

  exited: (before, { of, reason, status, nowMs }) => {
    const member = before.members[of]!;
    const { role, node } = member;
    const pair = without(before, of, nowMs);
    if (pair.isEnding) return endNext(pair);
    const ended: PairAction = { act: 'say', text: `node ${of} (${role}) ended: ${reason}` };
    if (names(pair).length === 0) return after(ended, endPair(pair, status));
    const leader = leaderOf(pair);
    if (leader === null) return after(ended, settle(pair));
    const dead = tell(leader, { standbyDead: node });
    const isReplaced = member.ready || role === 'primary';
    return after(ended, after(dead, isReplaced ? replace(pair, role) : backOff(pair, of)));
  },

  // The standbys end first, so that they do not take over; the primary follows when they are gone.
  stopped: (pair) => (pair.isEnding ? stay(pair) : endNext({ ...pair, isEnding: true })),
};

/** The observation that a node's report is; null where the supervisor has nothing to decide. */
export function observationOf(
  of: MemberName,
  report: WithoutTime<Report>,
  nowMs: number,
): PairObservation | null {
  switch (report.event) {
    case 'serving':
      return { what: 'serving', of, node: report.node };
    case 'synced':
      return { what: 'synced', of };
    case 'copying':
      return { what: 'copying', of, node: report.node, primary: report.of };
    case 'waiting':
    case 'deposed':
      return { what: 'copyGivenUp', of };
    case 'fence':
      return { what: 'fence', of, untilMs: report.untilMs, nowMs };
    case 'detached':
      return report.dropped ? { what: 'standbyDropped', of, node: report.node, nowMs } : null;
    case 'asked':
      return { what: 'signalled', of, signal: report.signal };
    default:
      return null;
  }
}

/** Decides the pair's next state, and the actions. An observation of a node that is not there is the caller's fault. */
export function supervise<W extends What>(
  pair: PairState,
  seen: Seen<W> & { readonly what: W },
): Supervised {
  if ('of' in seen) {
    const member = pair.members[seen.of];
    assert(member !== undefined, `'${seen.what}' of node ${seen.of}, which is not there`);
    const isIgnored = member.doomed || pair.isEnding;
    if (isIgnored && seen.what !== 'exited') return stay(pair);
  }
  const rule = rules[seen.what] as (pair: PairState, seen: Seen<W>) => Supervised;
  return rule(pair, seen);
}

function newMember(role: MemberState['role']): MemberState {
  const state = {
    ready: false,
    hasReigned: false,
    doomed: false,
    killedMs: null,
    asksUntilMs: null,
  };
  return { role, node: '', primary: '', ...state };
}

function names({ members }: PairState): MemberName[] {
  return memberNames.filter((name) => members[name] !== undefined);
}

/** The node that serves; null where none does. */
function leaderOf({ members, leader }: PairState): MemberName | null {
  const member = leader === null ? undefined : members[leader];
  return member?.role === 'primary' && member.ready && !member.doomed ? leader : null;
}

/** The primary whose copy a standby has, as long as its process is there, whatever it does; or any other primary. */
function oldPrimary(pair: PairState, of: MemberName): MemberName | null {
  const { primary } = pair.members[of]!;
  const others = names(pair).filter((name) => name !== of);
  const old = others.find((name) => primary !== '' && pair.members[name]!.node === primary);
  return old ?? others.find((name) => pair.members[name]!.role === 'primary') ?? null;
}

/** The standbys that are not being ended. */
function followers(pair: PairState, leader: MemberName): MemberName[] {
  const follows = ({ role, doomed }: MemberState): boolean => role === 'standby' && !doomed;
  return names(pair).filter((name) => name !== leader && follows(pair.members[name]!));
}

function change(pair: PairState, name: MemberName, sets: Partial<MemberState>): PairState {
  const member = { ...pair.members[name]!, ...sets };
  return { ...pair, members: { ...pair.members, [name]: member } };
}

/** The pair without a node that has ended. */
function without(pair: PairState, name: MemberName, nowMs: number): PairState {
  const { [name]: gone, ...members } = pair.members;
  const { role, hasReigned, killedMs } = gone!;
  const wasPrimary = role === 'primary' || hasReigned;
  return {
    ...pair,
    members,
    leader: pair.leader === name ? null : pair.leader,
    heir: pair.heir === name ? null : pair.heir,
    goneMs: wasPrimary ? (killedMs ?? nowMs) : pair.goneMs,
  };
}

/** No action. */
function stay(pair: PairState): Supervised {
  return { pair, actions: [] };
}

function after(first: PairAction, { pair, actions }: Supervised): Supervised {
  return { pair, actions: [first, ...actions] };
}

function tell(name: MemberName, notice: Notice): PairAction {
  return { act: 'notify', name, notice };
}

/** Tells a standby which node serves; before that, its answer, if it has asked to take over. */
function lead(name: MemberName, to: MemberName, { members }: PairState): PairAction[] {
  const isAsking = members[name]!.asksUntilMs !== null;
  return [...(isAsking ? [tell(name, { fenced: 'rivalReigns' })] : []), { act: 'lead', name, to }];
}

function startLater(ms: number): PairAction {
  return { act: 'later', ms, seen: { what: 'startDue' } };
}

/** Kills a node that hangs, for the sake of another one that is ready. The last such node is never killed. */
function kill(pair: PairState, name: MemberName, nowMs: number, why: string): Supervised {
  const lives = (one: MemberName): boolean => {
    const { ready, doomed } = pair.members[one]!;
    return one !== name && ready && !doomed;
  };
  if (pair.members[name]!.doomed || !names(pair).some(lives)) return stay(pair);
  const killed = change(pair, name, { doomed: true, killedMs: nowMs });
  const text = `node ${name} hangs (${why}): ended`;
  return {
    pair: killed,
    actions: [
      { act: 'kill', name },
      { act: 'say', text },
    ],
  };
}

/** Ends these nodes in order. */
function end(pair: PairState, ending: readonly MemberName[]): Supervised {
  let ended = pair;
  const actions: PairAction[] = [];
  for (const name of ending) {
    if (ended.members[name]!.doomed) continue;
    ended = change(ended, name, { doomed: true });
    actions.push({ act: 'end', name });
  }
  return { pair: ended, actions };
}

/** Ends all but the node that serves; once they are gone, that one. */
function endNext(pair: PairState): Supervised {
  const all = names(pair);
  const others = all.filter((name) => name !== leaderOf(pair));
  return end(pair, others.length > 0 ? others : all);
}

/** A standby has no whole copy any more. */
function givenUp(before: PairState, of: MemberName): Supervised {
  const pair = change(before, of, { role: 'standby', ready: false, asksUntilMs: null });
  return settle(pair.heir === of ? { ...pair, heir: null } : pair);
}

/**
 * No node serves. While a primary, or a node that was killed, is there, nothing is decided. Otherwise the heir is told
 * that the old primary has ended, or another that asked becomes the heir. Where no node has a whole copy, all end.
 */
function settle(pair: PairState): Supervised {
  const all = names(pair);
  const members = all.map((name) => [name, pair.members[name]!] as const);
  if (members.some(([, { role, killedMs }]) => role === 'primary' || killedMs !== null))
    return stay(pair);
  const whole = members.filter(([, { ready, doomed }]) => ready && !doomed);
  if (whole.length === 0) {
    const { pair: ended, actions } = end(pair, all);
    const ending = actions.flatMap((action) => ('name' in action ? [action.name] : []));
    if (ending.length === 0) return stay(pair);
    const text = `node ${ending.join(', ')} has no whole copy: it will not serve half a cache`;
    return after({ act: 'say', text }, { pair: ended, actions });
  }
  const asks = whole.filter(
    ([, { asksUntilMs }]) => asksUntilMs !== null && asksUntilMs > pair.goneMs,
  );
  const heir = pair.heir ?? asks[0]?.[0] ?? null;
  if (heir === null || pair.members[heir]!.asksUntilMs === null) return stay(pair);
  return answer({ ...pair, heir }, heir);
}

/** The old primary is gone, and was there for no longer than the heir's lease. */
function answer(pair: PairState, heir: MemberName): Supervised {
  return {
    pair: change(pair, heir, { asksUntilMs: null }),
    actions: [tell(heir, { fenced: 'oldEnded' })],
  };
}

function endPair(pair: PairState, status: number | null): Supervised {
  const reason = `${pair.size === 2 ? 'both' : 'all'} nodes are gone, and the cache with them`;
  return { pair, actions: [{ act: 'endPair', reason, status: pair.hasServed ? null : status }] };
}

/** A standby that was in sync is replaced at once; a primary whose standby serves already, after a pause. */
function replace(pair: PairState, role: MemberState['role']): Supervised {
  return { pair, actions: [startLater(role === 'primary' ? replaceMs : 0)] };
}

/** A standby that cannot start is started less and less often, as it must not take the processor from the clients. */
function backOff(pair: PairState, name: MemberName): Supervised {
  const ms = Math.min(restartMsLeast * 2 ** pair.failures, restartMsMost);
  const failures = pair.failures + 1;
  const text = `node ${name} was never in sync (${failures} in a row): again in ${ms} ms`;
  return { pair: { ...pair, failures }, actions: [{ act: 'say', text }, startLater(ms)] };
}
