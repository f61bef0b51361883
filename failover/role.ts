/**
 * Decides which node may serve: the state machine of a node's role. Pure. A node reports what it observes
 * (observation.ts); `decide` takes the observation, the role so far, and how long the lease still lasts, and returns
 * the next role and the actions. All transitions stand in the two tables below, and nothing else in a node decides
 * whether it serves. An observation that is not in a table is a bug, and ends the process.
 */
// biome-ignore format: the drawing
/*
 *      ┌─────────────────no node holds the cache any more──────────────────────────────► STARTING
 *      │                                                                                 │     │
 *   LOOKING ─welcomed─► COPYING ─synced─► STANDBY ──lost──► RECONNECTING                 │     │
 *    ▲ ▲ ▲                │ ▲                │ │                │  │  │                  │     │
 *    │ │ └─lost, dropped──┘ └────────────────┼─┼────welcomed────┘  │  │                  │     │
 *    │ │                                     │ │ silent            │  │ refused here,    │     │
 *    │ ├─────dropped, lease over, outranked──┴─┼───────────────────┘  │ silent, replaced │     │
 *    │ │                                       └────► FENCING ◄───────┘                  │     │
 *    │ └──lease over, or the old one must live────────┘ │                      outranked │     │ nobody reigns
 *    │                                           fenced │   ┌──lease over──► ASKING ──┐  │     │
 *    │                                                  ▼   │                 │       │  │     │
 *    ├──────outranked──────────────────────────────── BINDING ◄─nobody went on┘       │  │     │
 *    │                                                  │ ▲                           │  │     │
 *    │                                            bound │ └───────────────────────────┼──┼─────┘
 *    │                                                  ▼                             │  │
 *    ├──────outranked──────────────────────────────── PRIMARY                         │  │
 *    └────────────────────────────────────────────────────────────────────────────────┴──┘
 *
 *   BINDING ─lease over before the reign was announced─► WAITING ─the old primary yields─► BINDING
 *                                                           └─outranked, or in vain─► LOOKING
 *
 * A node that reigns (STARTING, BINDING, ASKING, WAITING, PRIMARY) has a mirror, which is in one of these as well:
 *
 *   ALONE ──a standby counts──► MIRRORED ──its link breaks──► HELD
 *     ▲                            │ it gave up its copy        │ its lease is over, it is back, or it gave up its copy
 *     └────────────────────────────┴────────────────────────────┘
 *
 * MIRRORED: every reply waits for the acks of the standbys that count. HELD: a lost standby may take over yet, and no
 * reply leaves. With several standbys the arrows back lead to the phase in which the others leave the mirror.
 *
 * The rules, in short: a copy is served only while it is whole and its lease holds; the lease is looked at right before
 * each act that cannot be undone, with nothing in between that may block; a node that reigns gives way only to a reign
 * that goes on (backup/lease/reign.ts), and looks for it then for as long as it takes. A node ends by itself only for
 * what waiting cannot cure, and only before it was whole for the first time.
 */
import { outcome } from '../backup/lease/reign.js';
import type { MirrorPhase } from '../backup/primary/verdicts.js';
import { assert } from '../src/base/errors.js';
import { copyingMs, helloMs } from '../src/base/limits.js';
import type { Action, Seen, VerdictOf, What } from './observation.js';

export type State =
  /** The node has a cache of its own, and answers nobody yet: a node that reigns in its place may still say so. */
  | 'starting'
  /** The node has no copy that may be served, and looks for a primary, as a deposed primary does. */
  | 'looking'
  | 'copying'
  /** The node's copy is whole, and the primary counts on it. */
  | 'standby'
  /** The node's copy is whole, and its link is lost. */
  | 'reconnecting'
  /** The node takes over: not one more byte of the old primary's is placed. */
  | 'fencing'
  /** The node reigns, and wants the clients' addresses. */
  | 'binding'
  /**
   * The node reigns, but its lease ended before it could serve: it asks at the old primary's address whether a node
   * went on.
   */
  | 'asking'
  /**
   * The node reigns, but its lease ended before it could announce that: the old primary may have gone on alone, and may
   * have died since. Only its own word, that it has stepped down for this reign, makes this copy one to serve.
   */
  | 'waiting'
  /** The node answers clients. */
  | 'primary'
  | 'ended';

export interface Role {
  readonly state: State;
  /** 'alone' in every state that does not reign. */
  readonly mirror: MirrorPhase;
  /** The node has a supervisor, which ends a process before another takes its place, and knows which nodes live. */
  readonly isSupervised: boolean;
  /**
   * How many standbys a primary takes. Where there may be several, the supervisor says which of them takes over.
   */
  readonly standbysMost: number;
  /** The node was started to serve, and begins anew when no node holds the cache any more. */
  readonly isFounder: boolean;
  /** `--dead-after`. */
  readonly deadAfterMs: number;
  /** Epoch of the cache that was found in the primary's place, 0 for none. The new reign's epoch must be above it. */
  readonly epochMet: number;
  /**
   * The old primary cannot have gone on alone: its process ended while the lease held, or it has stepped down for this
   * reign. The lease is not looked at any more then. False: the old primary may live.
   */
  readonly isCertain: boolean;
  /** This process has held a whole copy, or has reigned: memory, secret and version fitted then, and may fit again. */
  readonly wasWhole: boolean;
}

interface Change {
  readonly next?: State;
  readonly actions?: readonly Action[];
  readonly sets?: Partial<Omit<Role, 'state'>>;
}

interface Step<W extends What> extends Change {
  readonly verdict?: VerdictOf<W>;
}

type Rule<W extends What> = Step<W> | ((role: Role, seen: Seen<W>, leaseLeftMs: number) => Step<W>);
type Rules = { readonly [W in What]?: Rule<W> };

export interface Decision<W extends What = What> {
  readonly role: Role;
  readonly actions: readonly Action[];
  readonly verdict: VerdictOf<W> | null;
}

/** Nothing changes. */
const stay = {};
const fail = { next: 'ended', actions: ['fail'] } as const;
/** No other node goes on with this cache: this node made it or opened it from its file, or the old primary yields. */
const bindCertain = { next: 'binding', actions: ['bind'], sets: { isCertain: true } } as const;
const serve = { next: 'primary', actions: ['serve', 'reportServing'] } as const;
/** No primary can be mirrored there. */
const again = { next: 'looking', actions: ['lookElsewhere', 'attachLater'] } as const;
/**
 * Another reign goes on: it is looked for where it is said to be, and at all other known addresses. With a supervisor
 * no other node needs this link port. Without one, heirs behind cuts of their own may know no other address than this
 * link port, so it redirects them.
 */
function retire(role: Role): Change {
  return reignNoMore(['retire', portAfter(role), 'follow', 'attach']);
}

/** The reign ends before it has answered anybody: its copy may be out of date, and no other node is known to reign. */
function giveUp(role: Role): Change {
  return reignNoMore(['sayLate', 'retire', portAfter(role), 'attachLater']);
}

function portAfter({ isSupervised }: Role): Action {
  return isSupervised ? 'closeLinkPort' : 'leadOn';
}

function reignNoMore(actions: readonly Action[]): Change {
  return { next: 'looking', actions, sets: { mirror: 'alone', wasWhole: true } };
}

/** The new reign begins. The old primary is told on the link, if it can hear. */
function reign(sets: Partial<Role> = {}): Change {
  const actions = ['promote', 'depose', 'reportDead'] as const;
  return { next: 'binding', actions, sets: { mirror: 'alone', ...sets } };
}

/**
 * Without a supervisor the old primary cannot be ended. The old primary may have been only silent, or may be started
 * again with an old cache, or an empty one, so the reign is announced at its address. The announcement waits until this
 * copy is known to be one to serve, as a node that was started from its memory file gives way to an announced reign.
 */
function announce({ isSupervised }: Role): Change {
  return { next: 'binding', actions: [isSupervised ? 'bind' : 'announce'] };
}

/** Without an announcement in time the copy may lack what the old primary has acknowledged alone since. */
function ifInTime(change: (role: Role) => Change) {
  return (role: Role, _: unknown, leaseLeftMs: number): Change =>
    role.isCertain || leaseLeftMs > 0 ? change(role) : { next: 'waiting', actions: ['awaitOld'] };
}

/** The lease is over, so that the old primary may have gone on alone: this node's copy is served no more. */
const doubtful = { ...again, actions: ['sayDoubtful', ...again.actions] } as const;
const late = { ...again, actions: ['sayLate', ...again.actions] } as const;
const mirror = { verdict: 'mirror' } as const;

/** The primary is dead, or will be ended: the copy is served, if its lease holds. */
function takeOver(leaseLeftMs: number, isCertain: boolean, epochMet = 0): Change {
  if (leaseLeftMs <= 0) return doubtful;
  return { next: 'fencing', actions: ['revoke'], sets: { isCertain, epochMet } };
}

/**
 * A process that was whole once waits, whatever is wrong: its memory was enough and its primary of its kind, and both
 * may be so again. A process that never was ends, so that its operator sees what to change.
 */
function turnedAway({ wasWhole }: Role, { why, mayBeElsewhere }: Seen<'turnedAway'>): Change {
  const waits = wasWhole || why === 'busy' || (why === 'peer' && mayBeElsewhere);
  return waits ? again : fail;
}

/** Half a copy is never served, so a silent primary is waited for longer. */
function silentFor(patienceMs: number) {
  return (_: Role, { isAsking, ms }: Seen<'silence'>): Change =>
    isAsking && ms > patienceMs ? again : stay;
}

/** The primary of a whole copy was silent, and may live. */
function silentWhole(role: Role, { awakeMs }: Seen<'silence'>, leaseLeftMs: number): Change {
  return awakeMs >= role.deadAfterMs ? takeOver(leaseLeftMs, false) : stay;
}

/** Binds when no other node can go on with this cache, or while the lease holds; otherwise asks first. */
function bindOrAsk(role: Role, _: unknown, leaseLeftMs: number): Change {
  if (role.isCertain || leaseLeftMs > 0) return { actions: ['bind'] };
  return { next: 'asking', actions: ['ask'] };
}

/** Nodes that come to the link port of a node that reigned once; most of them know no more than this node. */
const passers = { passerReigns: stay, passerLooks: stay } as const;

export const transitions: Readonly<Record<State, Rules>> = {
  starting: {
    opened: (role, { isAttachable }) =>
      // A supervisor knows that no node reigns, and without a link port no node could say that it does.
      role.isSupervised || !isAttachable ? bindCertain : { actions: ['awaitChallenge'] },
    paused: bindCertain,
    // The memory of a cache that begins anew could not be had.
    openFailed: again,
    outranked: retire,
    // The redirect listener of a node that begins anew is open until its memory is free.
    ...passers,
  },
  looking: {
    paused: { actions: ['attach'] },
    refused: again,
    reset: again,
    unreachable: again,
    lost: again,
    silence: silentFor(helloMs),
    turnedAway,
    metCache: mirror,
    welcomed: { next: 'copying' },
    // A pause comes first, as two nodes may redirect each to the other.
    outranked: { actions: ['follow', 'attachLater'] },
    // Reserving and wiping memory for a copy takes long; the same node may come again meanwhile, and is ignored.
    passerReigns: (_, { isAsked }) =>
      isAsked ? stay : { actions: ['hangUp', 'follow', 'attach'] },
    passerLooks: (role, { all }) =>
      all && role.isFounder ? { next: 'starting', actions: ['beginAnew'] } : stay,
  },
  copying: {
    synced: { next: 'standby', actions: ['reportSynced'], sets: { wasWhole: true } },
    lost: again,
    silence: silentFor(copyingMs),
    dropped: again,
    turnedAway,
    outranked: { next: 'looking', actions: ['follow', 'attach'] },
    ...passers,
  },
  standby: {
    lost: { next: 'reconnecting', actions: ['attach'] },
    silence: silentWhole,
    dropped: { next: 'looking', actions: ['attach'] },
    turnedAway,
    outranked: { next: 'looking', actions: ['follow', 'attach'] },
    ...passers,
  },
  reconnecting: {
    paused: { actions: ['attach'] },
    // On this machine a refusal is proof that no process listens there. Across machines a firewall refuses as well, as
    // do a balancer without back ends and a port forward that restarts. Why such a refusal does not even shorten the
    // wait is told in docs/decisions/refused-elsewhere.md.
    refused: (_, { isHere }, leaseLeftMs) =>
      isHere ? takeOver(leaseLeftMs, true) : { actions: ['attachLater'] },
    // A listener that is being closed resets, as those of a dying process do: a new attempt follows at once.
    reset: { actions: ['attach'] },
    // Either the address comes back, or the silence grows long enough.
    unreachable: { actions: ['attachLater'] },
    lost: { actions: ['attach'] },
    silence: silentWhole,
    // Our own primary has no reason to refuse us; but a lack of our own, or words of anybody, say nothing of it.
    turnedAway: (role, seen, leaseLeftMs) => {
      if (leaseLeftMs <= 0) return turnedAway(role, seen);
      if (!seen.isSure || seen.why === 'own') return { actions: ['attachLater'] };
      return takeOver(leaseLeftMs, true);
    },
    metCache: (_, { theirs, ours }, leaseLeftMs) => {
      // Their node is the same process, or one restarted from its memory file, which holds all that the copy does.
      const isOurs = theirs.cache === ours.cache && theirs.epoch >= ours.epoch;
      if (isOurs || leaseLeftMs <= 0) return mirror;
      // The only whole copy is not given up for a primary that began empty, or from an old file.
      const takesOver = takeOver(leaseLeftMs, true, theirs.epoch);
      return { ...takesOver, actions: ['hangUp', 'revoke'], verdict: 'keep' };
    },
    welcomed: { next: 'copying' },
    outranked: { next: 'looking', actions: ['follow', 'attach'] },
    ...passers,
  },
  fencing: {
    revoked: (role, _, leaseLeftMs) => {
      if (role.standbysMost > 1 && role.isCertain) return { actions: ['hangUp', 'endOld'] };
      if (role.isCertain) return reign();
      if (leaseLeftMs <= 0) return late;
      return role.isSupervised ? { actions: ['hangUp', 'endOld'] } : reign();
    },
    oldEnded: () => reign({ isCertain: true }),
    oldLives: late,
    // 'outranked' follows, with the address of that standby.
    rivalReigns: again,
    // The supervisor said so before it read this node's question; its answer follows, and is of no interest.
    outranked: { next: 'looking', actions: ['follow', 'attach'] },
    silence: stay,
    ...passers,
  },
  binding: {
    told: ifInTime(announce),
    announced: ifInTime(() => ({ actions: ['bind'] })),
    bound: ifInTime(() => serve),
    // A node that holds the only copy never ends for want of an address, but tries on.
    bindFailed: { actions: ['bindLater'] },
    paused: bindOrAsk,
    outranked: retire,
  },
  asking: {
    // The reign was announced while the lease held, so this node serves as any heir does, unless it is told better. The
    // next attempt to bind asks anew: a cut may have healed since.
    answered: { actions: ['bind'] },
    bound: serve,
    bindFailed: { next: 'binding', actions: ['bindLater'] },
    oldYields: bindCertain,
    outranked: retire,
  },
  waiting: {
    oldYields: (role) => ({ ...announce(role), sets: { isCertain: true } }),
    paused: giveUp,
    outranked: retire,
  },
  primary: {
    outranked: retire,
  },
  ended: {},
};

/** Whether a primary that loses a standby must wait until its lease is over. */
function memberGone(_: Role, seen: Seen<'standbyGone'>): Step<'standbyGone'> {
  const { isMember, how, isSync, others } = seen;
  if (!isMember) return { verdict: 'forget' };
  if (how === 'dead') return { sets: { mirror: others }, verdict: 'forget' };
  // A dropped standby's lease has expired, as no echo renews a lease beyond the ack timeout.
  const holds = isSync && how !== 'dropped';
  return { sets: { mirror: 'held' }, verdict: holds ? 'hold' : 'release' };
}

/** A standby may reign in our place only while replies wait for it; the copy of any other is out of date. */
function claimed(role: Role, { isMember, epoch, oursEpoch }: Seen<'claimed'>): Step<'claimed'> {
  assert(!isMember || role.mirror !== 'alone', 'a member reigns, and nobody was waited for');
  // 'outranked' follows once the others have been told.
  return { verdict: isMember && epoch > oursEpoch ? 'theirs' : 'ours' };
}

/** While a lost standby may take over, no other node is let in: its copy would end with this reign. */
function cameTo(
  { mirror: before, standbysMost }: Role,
  { isLost, others }: Seen<'standbyCame'>,
): Step<'standbyCame'> {
  if (before === 'held' && !isLost) return { verdict: 'wait' };
  return { verdict: others < standbysMost ? 'letIn' : 'busy' };
}

const stopped = { next: 'ended', sets: { mirror: 'alone' } } as const;

/** Rules of every node that reigns. */
const reigning: Rules = {
  stopped,
  // The node does not wait for an answer any more.
  answered: stay,
  oldYields: stay,
  // If their reign goes on, 'outranked' follows once the own standby has been told.
  metReign: (_, { ours, theirs }) => ({ verdict: outcome(ours, theirs) }),
  standbyDied: { actions: ['forgetStandby'] },
  standbyCame: cameTo,
  claimed,
};

export const mirrors: Readonly<Record<MirrorPhase, Rules>> = {
  alone: {
    ...reigning,
    counted: { sets: { mirror: 'mirrored' } },
    // The standby that is gone was still copying.
    standbyGone: (role, seen) => {
      assert(!seen.isMember, 'a member is gone, and nobody was waited for');
      return memberGone(role, seen);
    },
  },
  mirrored: {
    ...reigning,
    // One more standby counts.
    counted: stay,
    standbyGone: memberGone,
  },
  held: {
    ...reigning,
    counted: stay,
    standbyGone: memberGone,
    holdOver: (_, { others }) => ({ sets: { mirror: others } }),
  },
};

/** Rules of every node that does not reign. */
const elsewhere: Rules = {
  stopped,
  // The supervisor may report the standby's death before it knows that this node does not reign any more.
  standbyDied: stay,
  rivalReigns: stay,
};

/**
 * Decides the next role, the actions and the verdict. `leaseLeftMs`: for how long the copy may still be served, read at
 * this very moment; 0 or less when it may not. Throws when the tables have no rule, which is the caller's fault.
 */
export function decide<W extends What>(
  role: Role,
  seen: Seen<W> & { readonly what: W },
  leaseLeftMs: number,
): Decision<W> {
  const { state, mirror: before } = role;
  const second = reigns(state) ? mirrors[before] : elsewhere;
  const rule = (transitions[state][seen.what] ?? second[seen.what]) as Rule<W> | undefined;
  assert(rule !== undefined, `'${seen.what}' while ${state}${reigns(state) ? `, ${before}` : ''}`);
  const { next, actions, sets, verdict } =
    typeof rule === 'function' ? rule(role, seen, leaseLeftMs) : rule;
  return {
    role: { ...role, ...sets, state: next ?? state },
    actions: actions ?? [],
    verdict: verdict ?? null,
  };
}

/** A role before anything was seen. */
export function firstRole(
  state: 'starting' | 'looking',
  {
    isSupervised,
    standbysMost,
    deadAfterMs,
  }: Pick<Role, 'isSupervised' | 'standbysMost' | 'deadAfterMs'>,
): Role {
  return {
    state,
    mirror: 'alone',
    isSupervised,
    standbysMost,
    isFounder: state === 'starting',
    deadAfterMs,
    epochMet: 0,
    isCertain: false,
    wasWhole: false,
  };
}

/** The node has a cache of its own to serve, though it may answer nobody yet. */
export function reigns(state: State): boolean {
  return (['starting', 'binding', 'asking', 'waiting', 'primary'] as State[]).includes(state);
}

/** The node has nothing that could be served, so it goes first when memory runs short. */
export function holdsNothing(state: State): boolean {
  return state === 'looking' || state === 'copying';
}
