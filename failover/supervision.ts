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
 * ended only if that was so while the lease held; a node without a whole copy is not left alone.
 */
import { assert } from '../src/base/errors.js';
import type { Notice, Report, WithoutTime } from './report.js';

export type MemberName = 'a' | 'b';

/** A node of the pair, as far as its reports tell. */
export interface MemberState {
  readonly role: 'primary' | 'standby';
  /** A standby's copy is whole, or a primary serves. */
  readonly ready: boolean;
  /** The node is being ended: its reports are not acted on. */
  readonly doomed: boolean;
  /** When the node was killed, by the supervisor's clock; null for a node that was not. */
  readonly killedMs: number | null;
  /** The node has asked to end the other one, and is told when that one has ended. */
  readonly isAsking: boolean;
}

export interface PairState {
  readonly a: MemberState | null;
  readonly b: MemberState | null;
  /** When the last node that is gone ended, or was killed. */
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
  | { readonly what: 'serving'; readonly of: MemberName }
  | { readonly what: 'synced'; readonly of: MemberName }
  /** A node has no whole copy any more: it begins a new copy, looks for a primary, or was deposed. */
  | { readonly what: 'copyGivenUp'; readonly of: MemberName }
  /** A standby asks to end the primary, which does not speak. Its lease is over at `untilMs`; it is `nowMs`. */
  | {
      readonly what: 'fence';
      readonly of: MemberName;
      readonly untilMs: number;
      readonly nowMs: number;
    }
  /** A primary goes on without its standby, which acked too late. */
  | { readonly what: 'standbyDropped'; readonly of: MemberName; readonly nowMs: number }
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
  /** Report an observation after a pause, unless it is of a node that has ended meanwhile. */
  | { readonly act: 'later'; readonly ms: number; readonly seen: PairObservation }
  | { readonly act: 'say'; readonly text: string }
  /** Both nodes are gone. `status`: the exit status of a first primary that never served; null otherwise. */
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

export const firstPair: PairState = {
  a: null,
  b: null,
  goneMs: Number.NEGATIVE_INFINITY,
  isEnding: false,
  hasServed: false,
  failures: 0,
};

const rules: Rules = {
  begun: (pair) => ({
    pair: { ...pair, a: newMember('primary') },
    actions: [{ act: 'startPrimary', name: 'a' }],
  }),

  serving: (pair, { of }) => {
    const ms = pair[of]!.role === 'standby' ? replaceMs : 0;
    const sets = { role: 'primary', ready: true, isAsking: false } as const;
    const serving = { ...change(pair, of, sets), hasServed: true };
    return { pair: serving, actions: pair[otherOf(of)] === null ? [startLater(ms)] : [] };
  },

  startDue: (pair) => {
    const of = pair.a === null ? 'b' : 'a';
    const name = otherOf(of);
    if (pair.isEnding || pair[name] !== null || !serves(pair[of])) return stay(pair);
    const started = { ...pair, [name]: newMember('standby') };
    return { pair: started, actions: [{ act: 'startStandby', name, of }] };
  },

  synced: (pair, { of }) => stay({ ...change(pair, of, { ready: true }), failures: 0 }),

  copyGivenUp: (pair, { of }) => {
    const without = change(pair, of, { role: 'standby', ready: false, isAsking: false });
    if (pair[otherOf(of)] !== null) return stay(without);
    return end(without, of, `node ${of} has no whole copy any more: it will not serve`);
  },

  // Once the standby's lease is over the primary may have gone on alone: it is not ended then, and if it has ended
  // since, the standby's copy may be out of date.
  fence: (pair, { of, untilMs, nowMs }) => {
    const other = pair[otherOf(of)];
    const goneMs = (other === null ? pair.goneMs : other.killedMs) ?? nowMs;
    if (goneMs >= untilMs || !pair[of]!.ready) {
      const why = goneMs >= untilMs ? 'its lease is over' : 'it has no whole copy any more';
      const text = `node ${of} asks too late to take over: ${why}`;
      const refused = change(pair, of, { isAsking: false });
      return { pair: refused, actions: [{ act: 'say', text }, tell(of, { fenced: false })] };
    }
    if (other === null) return { pair, actions: [tell(of, { fenced: true })] };
    // The answer follows when the primary's process has ended.
    return kill(change(pair, of, { isAsking: true }), otherOf(of), nowMs, 'it does not speak');
  },

  standbyDropped: (pair, { of, nowMs }) => kill(pair, otherOf(of), nowMs, 'it does not ack'),

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
    const { role, ready, killedMs } = before[of]!;
    const name = otherOf(of);
    const other = before[name];
    const pair = { ...before, [of]: null, goneMs: killedMs ?? nowMs };
    if (pair.isEnding) return other === null ? stay(pair) : end(pair, name);
    const ended: PairAction = { act: 'say', text: `node ${of} (${role}) ended: ${reason}` };
    if (other === null) return after(ended, endPair(pair, status));
    // The other node ends as well; the pair ends with it.
    if (other.doomed) return after(ended, stay(pair));
    if (serves(other)) {
      const dead = tell(name, { standbyDead: true });
      const isReplaced = ready || role === 'primary';
      return after(ended, after(dead, isReplaced ? replace(pair, role) : backOff(pair, of)));
    }
    if (!other.ready) {
      const text = `node ${name} was not in sync yet: it will not serve half a cache`;
      return after(ended, end(pair, name, text));
    }
    return after(ended, other.isAsking ? answer(pair, name) : stay(pair));
  },

  // The standby ends first, so that it does not take over; the other node follows when the first one is gone.
  stopped: (pair) => {
    const ending = { ...pair, isEnding: true };
    const first = pair.b?.role === 'standby' || pair.a === null ? 'b' : 'a';
    return pair.isEnding || pair[first] === null ? stay(ending) : end(ending, first);
  },
};

/** The observation that a node's report is; null where the supervisor has nothing to decide. */
export function observationOf(
  of: MemberName,
  report: WithoutTime<Report>,
  nowMs: number,
): PairObservation | null {
  switch (report.event) {
    case 'serving':
    case 'synced':
      return { what: report.event, of };
    case 'copying':
    case 'waiting':
    case 'deposed':
      return { what: 'copyGivenUp', of };
    case 'fence':
      return { what: 'fence', of, untilMs: report.untilMs, nowMs };
    case 'detached':
      return report.dropped ? { what: 'standbyDropped', of, nowMs } : null;
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
    const member = pair[seen.of];
    assert(member !== null, `'${seen.what}' of node ${seen.of}, which is not there`);
    const isIgnored = member.doomed || pair.isEnding;
    if (isIgnored && seen.what !== 'exited') return stay(pair);
  }
  const rule = rules[seen.what] as (pair: PairState, seen: Seen<W>) => Supervised;
  return rule(pair, seen);
}

function newMember(role: MemberState['role']): MemberState {
  return { role, ready: false, doomed: false, killedMs: null, isAsking: false };
}

export function otherOf(name: MemberName): MemberName {
  return name === 'a' ? 'b' : 'a';
}

function serves(member: MemberState | null): boolean {
  return member !== null && member.role === 'primary' && member.ready && !member.doomed;
}

function change(pair: PairState, name: MemberName, sets: Partial<MemberState>): PairState {
  return { ...pair, [name]: { ...pair[name]!, ...sets } };
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

function startLater(ms: number): PairAction {
  return { act: 'later', ms, seen: { what: 'startDue' } };
}

/** Kills a node that hangs, for the sake of the other one. The last node that holds the cache is never killed. */
function kill(pair: PairState, name: MemberName, nowMs: number, why: string): Supervised {
  const [member, other] = [pair[name], pair[otherOf(name)]];
  if (member === null || member.doomed || other?.ready !== true) return stay(pair);
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

function end(pair: PairState, name: MemberName, text?: string): Supervised {
  const ended: Supervised = {
    pair: change(pair, name, { doomed: true }),
    actions: [{ act: 'end', name }],
  };
  return text === undefined ? ended : after({ act: 'say', text }, ended);
}

/** The primary was killed while the lease of the standby held, and is gone now. */
function answer(pair: PairState, asker: MemberName): Supervised {
  return {
    pair: change(pair, asker, { isAsking: false }),
    actions: [tell(asker, { fenced: true })],
  };
}

function endPair(pair: PairState, status: number | null): Supervised {
  const reason = 'both nodes are gone, and the cache with them';
  return {
    pair,
    actions: [{ act: 'endPair', reason, status: pair.hasServed ? null : status }],
  };
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
