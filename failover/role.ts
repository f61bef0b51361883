/**
 * Who may serve: what a node is, and what makes it something else. Pure. A node reports what it sees; `decide` takes
 * that, the role so far, and how long the lease still lasts, and returns the next role and the actions. All transitions
 * stand in the two tables below, and nothing else in failover/ decides who serves. Whatever is not in a table is a bug,
 * and ends the process.
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
 * ASKING ends in LOOKING, too, where the old primary is dead, and this node had not said in time that it reigns.
 *
 * A node that reigns (STARTING, BINDING, ASKING, PRIMARY) has a mirror, which is in one of these as well:
 *
 *   ALONE ──a standby counts──► MIRRORED ──its link breaks──► HELD
 *     ▲                            │ it gave up its copy        │ its lease is over, it is back, or it gave up its copy
 *     └────────────────────────────┴────────────────────────────┘
 *
 * MIRRORED: every reply waits for the standby's ack. HELD: the lost standby may take over yet, and no reply leaves.
 *
 * The rules, in short: a copy is served only while it is whole and its lease holds; the lease is looked at right before
 * each act that cannot be undone, with nothing in between that may block; a node that reigns gives way only to a reign
 * that goes on (backup/lease/reign.ts), and looks for it then for as long as it takes. A node ends by itself only for
 * what waiting cannot cure, and only before it was whole for the first time.
 */
import { type Outcome, outcome, type Reign } from '../backup/lease/reign.js';
import { assert } from '../src/base/errors.js';
import { copyingMs, helloMs } from '../src/base/limits.js';
import type { Answer } from './herald.js';

export type State =
  /** It has a cache of its own, and answers nobody yet: whoever reigns may say so. */
  | 'starting'
  /** It has no copy that may be served, and looks for a primary. A primary that was deposed does so, too. */
  | 'looking'
  | 'copying'
  /** Its copy is whole, and the primary counts on it. */
  | 'standby'
  /** The same, but the link is lost. */
  | 'reconnecting'
  /** It takes over: nothing of the old primary's lands any more. */
  | 'fencing'
  /** It reigns, and wants the clients' addresses. */
  | 'binding'
  /** It reigns, but its lease ended before it could serve: whoever is at the old primary's address is asked. */
  | 'asking'
  /** It answers clients. */
  | 'primary'
  | 'ended';

export type Mirror = 'alone' | 'mirrored' | 'held';

export interface Role {
  readonly state: State;
  /** 'alone' in every state that does not reign. */
  readonly mirror: Mirror;
  /** A supervisor ends a process before another takes its place, and knows whether nodes live. */
  readonly isSupervised: boolean;
  /** It was started to serve: it begins anew when no node holds the cache any more. */
  readonly isFounder: boolean;
  /** `--dead-after`. */
  readonly deadAfterMs: number;
  /** Epoch of the cache that was found in the primary's place, 0 for none: the new reign must be above it. */
  readonly epochMet: number;
  /**
   * The old primary cannot have gone on alone: its process ended while the lease held, or nobody at its address said
   * that it did. Then the lease is not asked any more. False: it may live.
   */
  readonly isCertain: boolean;
  /** It said that it reigns while the lease still held. */
  readonly isToldInTime: boolean;
  /** This process has held a whole copy, or has reigned: whatever it lacks now, it had then. */
  readonly wasWhole: boolean;
}

export type Observation =
  // Of the connection to a primary.
  /** Nobody listens there, says a machine: this one (`isHere`), or another. */
  | { readonly what: 'refused'; readonly isHere: boolean }
  /** A connection that was being opened was reset. */
  | { readonly what: 'reset' }
  /** The address cannot be reached, or this system could not even begin to connect. */
  | { readonly what: 'unreachable' }
  /** A connection that was open ended. */
  | { readonly what: 'lost' }
  /**
   * Nothing was heard for `ms`, of which `awakeMs` are known to this node: it was there to hear (detector.ts). It is
   * seen at every look at the clock. `isAsking`: an attempt to attach is under way, or has succeeded.
   */
  | {
      readonly what: 'silence';
      readonly ms: number;
      readonly awakeMs: number;
      readonly isAsking: boolean;
    }
  /** A primary would let us in: which cache it has, and which one this node has a copy of. */
  | { readonly what: 'metCache'; readonly theirs: CacheAt; readonly ours: CacheAt }
  /** A primary has let us in, and its copy begins. */
  | { readonly what: 'welcomed' }
  /** The copy is whole. */
  | { readonly what: 'synced' }
  /** The primary goes on without us. */
  | { readonly what: 'dropped' }
  /**
   * Whoever is there will not have us. `why`: it is 'busy'; it is not of our kind ('peer': version, secret, terms, or
   * no hotspare at all); or this node cannot have a copy ('own': no memory, no device). `mayBeElsewhere`: other
   * addresses are known, or the operator did not name this one.
   */
  | {
      readonly what: 'turnedAway';
      readonly why: 'busy' | 'peer' | 'own';
      readonly mayBeElsewhere: boolean;
    }
  /** Another node reigns, and its reign goes on: told by DEPOSED, or by a verdict on 'metReign' or 'claimed'. */
  | { readonly what: 'outranked' }
  /**
   * A node came to our link port while we do not reign, and says that it does. It comes again and again, several times
   * a second. `isAsked`: its address is being asked already, or some primary has let this node in.
   */
  | { readonly what: 'passerReigns'; readonly isAsked: boolean }
  /** The same, and it looks for a primary with nothing in hand. `all`: so does every node that is known. */
  | { readonly what: 'passerLooks'; readonly all: boolean }

  // Of the acts of a takeover, and of a start.
  /** The old primary can write into our region no more. */
  | { readonly what: 'revoked' }
  /** The supervisor has ended the old primary. */
  | { readonly what: 'oldEnded' }
  /** The supervisor has not, for the lease was over: the old primary may have gone on alone. */
  | { readonly what: 'oldLives' }
  /** This node reigns, with an epoch of its own, and has said so wherever it can be heard. */
  | { readonly what: 'told' }
  /** What was found at the old primary's address (herald.ts); when it is 'silent', the old primary may have gone on. */
  | { readonly what: 'answered'; readonly answer: Answer }
  | { readonly what: 'bound' }
  | { readonly what: 'bindFailed' }
  /** A cache of this node's own is open. `isAttachable`: other nodes can attach. */
  | { readonly what: 'opened'; readonly isAttachable: boolean }
  | { readonly what: 'openFailed' }
  /** The pause is over that the last action asked for. */
  | { readonly what: 'paused' }

  // Of the own standby, and of other nodes that reign.
  /** SYNCED goes to a standby: it may take over from now on, so every reply waits for it. */
  | { readonly what: 'counted' }
  /** That standby is the old primary: it reigns no more. */
  | { readonly what: 'oldMirrors' }
  /** A standby is gone. `isMember`: it counted. `isSync`: replies wait (`--ack sync`). */
  | {
      readonly what: 'standbyGone';
      readonly how: 'lost' | 'broken' | 'dropped' | 'dead';
      readonly isMember: boolean;
      readonly isSync: boolean;
    }
  /** A standby that was lost will not take over any more: its hold is over, it is back, or it gave up its copy. */
  | { readonly what: 'holdOver' }
  /** The supervisor says that the standby's process has ended. */
  | { readonly what: 'standbyDied' }
  /** The own standby says that it reigns, with this epoch. `isMember`: it counts, or counted when it was lost. */
  | {
      readonly what: 'claimed';
      readonly isMember: boolean;
      readonly epoch: number;
      readonly oursEpoch: number;
    }
  /** Another node that reigns. */
  | { readonly what: 'metReign'; readonly ours: Reign; readonly theirs: Reign };

export interface CacheAt {
  readonly cache: string;
  readonly epoch: number;
}

type What = Observation['what'];
type Seen<W extends What> = Extract<Observation, { what: W }>;

/** The answer to whoever has to know it at once; null where nobody asks. */
export type VerdictOf<W extends What> = W extends 'metReign'
  ? Outcome
  : W extends 'claimed'
    ? /** Our standby reigns in our place; or its word counts for nothing. */ 'theirs' | 'ours'
    : W extends 'standbyGone'
      ? /** No reply leaves before the hold is over; or it ends at once; or there is none. */
        'hold' | 'release' | 'forget'
      : W extends 'metCache'
        ? /** What we hold is given up for a copy of that one; or it is not. */ 'mirror' | 'keep'
        : null;

export type Action =
  /** Connect to the primary. */
  | 'attach'
  /** The same, after a pause; 'paused' follows. */
  | 'attachLater'
  /** The next of the addresses that are known is tried from now on. */
  | 'lookElsewhere'
  /** The address that came with the observation, if one did, is tried from now on. */
  | 'follow'
  /** End the connection. */
  | 'hangUp'
  /** Law 4: from now on not one byte of the old primary's lands; 'revoked' follows. */
  | 'revoke'
  /** Let the supervisor end the old primary, while the lease holds; 'oldEnded' or 'oldLives' follows. */
  | 'endOld'
  /** Begin the new reign: new epoch, region opened, link port open. */
  | 'promote'
  /** Tell the old primary on the link that this node reigns, if it can hear. */
  | 'depose'
  /** Tell whoever serves where a primary may be, for as long as this node reigns (herald.ts). */
  | 'announce'
  /** Say why the old primary is dead; 'told' follows. */
  | 'reportDead'
  /** Bind the clients' addresses, where they are not bound yet; 'bound' or 'bindFailed' follows. */
  | 'bind'
  /** 'paused' follows. */
  | 'bindLater'
  /** Ask at the old primary's address who went on; 'answered' follows, or 'outranked'. */
  | 'ask'
  /** Say why nobody is served yet; 'paused' follows. */
  | 'askLater'
  /** 'paused' follows. */
  | 'awaitChallenge'
  /** Answer clients. */
  | 'serve'
  /** Open a new, empty cache: the one that was is gone. 'opened' or 'openFailed' follows. */
  | 'beginAnew'
  /** Close all clients, unanswered, and give up the region. */
  | 'retire'
  /** Lead whoever comes to the link port to the one that is mirrored from now on. */
  | 'leadOn'
  | 'closeLinkPort'
  /** Whatever the primary waits for from its standby will not come. */
  | 'forgetStandby'
  | 'reportSynced'
  | 'reportServing'
  /** Why this copy is not served, though the primary is dead. */
  | 'sayDoubtful'
  /** Why this takeover is given up. */
  | 'sayLate'
  /** End the process with the error that came with the observation. */
  | 'fail';

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
/** Nobody else goes on with this cache: this node has made it or opened it from its file, or the old primary yields. */
const bindCertain = { next: 'binding', actions: ['bind'], sets: { isCertain: true } } as const;
/** Nobody is to be had there. */
const again = { next: 'looking', actions: ['lookElsewhere', 'attachLater'] } as const;
/**
 * Another reign goes on: it is looked for where it is said to be, and wherever else it may be. A supervisor knows who
 * reigns; elsewhere heirs behind cuts of their own know nothing but this node's link port, and are led on from there.
 */
function retire(role: Role): Change {
  return reignNoMore(['retire', portAfter(role), 'follow', 'attach']);
}

/** The reign ends before it has answered anybody: its copy may be out of date, and no other node is known to reign. */
function giveUp(role: Role): Change {
  return reignNoMore(['sayLate', 'retire', portAfter(role), 'lookElsewhere', 'attachLater']);
}

function portAfter({ isSupervised }: Role): Action {
  return isSupervised ? 'closeLinkPort' : 'leadOn';
}

function reignNoMore(actions: readonly Action[]): Change {
  return { next: 'looking', actions, sets: { mirror: 'alone', wasWhole: true } };
}

/**
 * The new reign begins. Nobody can end the old primary without a supervisor: it is told instead, for whoever was only
 * silent may come back, and what died may be started again with an old cache, or an empty one.
 */
function reign({ isSupervised }: Role, sets: Partial<Role> = {}): Change {
  const told = isSupervised ? [] : (['announce'] as const);
  const actions = ['promote', 'depose', ...told, 'reportDead'] as const;
  return { next: 'binding', actions, sets: { mirror: 'alone', ...sets } };
}

/** The lease is over, so that the old primary may have gone on alone: what this node holds is served no more. */
const doubtful = { ...again, actions: ['sayDoubtful', ...again.actions] } as const;
const late = { ...again, actions: ['sayLate', ...again.actions] } as const;
const mirror = { verdict: 'mirror' } as const;

/** The primary is dead, or must be: the copy is served, while it may be. */
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

/** Half a cache is not served, however dead the primary is: there is no hurry. */
function silentFor(patienceMs: number) {
  return (_: Role, { isAsking, ms }: Seen<'silence'>): Change =>
    isAsking && ms > patienceMs ? again : stay;
}

/** A primary that was only silent may live. */
function silentWhole(role: Role, { awakeMs }: Seen<'silence'>, leaseLeftMs: number): Change {
  return awakeMs >= role.deadAfterMs ? takeOver(leaseLeftMs, false) : stay;
}

/** Nobody else goes on with this cache; or the lease must hold at this moment. */
function bindOrAsk(role: Role, _: unknown, leaseLeftMs: number): Change {
  if (role.isCertain || leaseLeftMs > 0) return { actions: ['bind'] };
  return { next: 'asking', actions: ['ask'] };
}

/** Nodes may come to the link port of any node that reigned once; most of them know no more than this one. */
const passers = { passerReigns: stay, passerLooks: stay } as const;

export const transitions: Readonly<Record<State, Rules>> = {
  starting: {
    opened: (role, { isAttachable }) =>
      // A supervisor knows that nobody reigns; to a node without a link port nobody could say so.
      role.isSupervised || !isAttachable ? bindCertain : { actions: ['awaitChallenge'] },
    paused: bindCertain,
    // Of a cache that is begun anew.
    openFailed: again,
    outranked: retire,
    // The signpost of a node that begins anew stands until its memory is free.
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
    // After a pause, for two nodes may lead each to the other.
    outranked: { actions: ['follow', 'attachLater'] },
    // To reserve or wipe the memory for a copy takes longer than a passer needs to come again.
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
    // On this machine a refusal is proof: no process listens there. Across machines a firewall refuses as well, as do
    // a balancer without back ends and a port forward that restarts. It does not even shorten the wait: the primary
    // may answer for as long as this node has promised to stand still (docs/decisions/refused-elsewhere.md).
    refused: (_, { isHere }, leaseLeftMs) =>
      isHere ? takeOver(leaseLeftMs, true) : { actions: ['attachLater'] },
    // A listener that is being closed, as those of a dying process are: it is knocked at again at once.
    reset: { actions: ['attach'] },
    // The address may come back, or the silence will grow long enough.
    unreachable: { actions: ['attachLater'] },
    lost: { actions: ['attach'] },
    silence: silentWhole,
    // Our own primary has no reason to refuse us while it counts on our copy: somebody else was started in its place.
    turnedAway: (role, seen, leaseLeftMs) => {
      if (leaseLeftMs <= 0) return turnedAway(role, seen);
      // What this node itself lacks says nothing of the primary.
      return seen.why === 'own' ? { actions: ['attachLater'] } : takeOver(leaseLeftMs, true);
    },
    metCache: (_, { theirs, ours }, leaseLeftMs) => {
      // The same process, or one restarted from its memory file: that holds all that the copy does (law 2).
      const isOurs = theirs.cache === ours.cache && theirs.epoch >= ours.epoch;
      if (isOurs || leaseLeftMs <= 0) return mirror;
      // The only whole copy is not given up for a primary that began anew, or from an old file.
      const takesOver = takeOver(leaseLeftMs, true, theirs.epoch);
      return { ...takesOver, actions: ['hangUp', 'revoke'], verdict: 'keep' };
    },
    welcomed: { next: 'copying' },
    outranked: { next: 'looking', actions: ['follow', 'attach'] },
    ...passers,
  },
  fencing: {
    revoked: (role, _, leaseLeftMs) => {
      if (role.isCertain) return reign(role);
      if (leaseLeftMs <= 0) return late;
      return role.isSupervised ? { actions: ['hangUp', 'endOld'] } : reign(role);
    },
    oldEnded: (role) => reign(role, { isCertain: true }),
    oldLives: late,
    silence: stay,
    ...passers,
  },
  binding: {
    told: (role, seen, leaseLeftMs) => {
      const { actions, next } = bindOrAsk(role, seen, leaseLeftMs);
      const sets = { isToldInTime: leaseLeftMs > 0 };
      return next === undefined ? { actions: actions!, sets } : { actions: actions!, next, sets };
    },
    bound: { next: 'primary', actions: ['serve', 'reportServing'] },
    // Whoever holds the only copy never ends for want of an address: it tries on.
    bindFailed: { actions: ['bindLater'] },
    paused: bindOrAsk,
    outranked: retire,
  },
  asking: {
    answered: (role, { answer }) => {
      // A node that said in time that it reigns is an heir as any other. A node that stood still before it could say so
      // has a copy that is out of date, for all it knows: the old primary may have gone on before it died.
      if (role.isToldInTime || answer === 'yields') return bindCertain;
      return answer === 'gone' ? giveUp(role) : { actions: ['askLater'] };
    },
    oldMirrors: bindCertain,
    paused: { actions: ['ask'] },
    outranked: retire,
  },
  primary: {
    outranked: retire,
  },
  ended: {},
};

/** A primary whose standby goes need not wait for its lease where that is over, or of no use to it. */
function memberGone(_: Role, { isMember, how, isSync }: Seen<'standbyGone'>): Step<'standbyGone'> {
  if (!isMember) return { verdict: 'forget' };
  if (how === 'dead') return { sets: { mirror: 'alone' }, verdict: 'forget' };
  // A dropped standby has no lease: none is given that would outlast the ack timeout.
  const holds = isSync && how !== 'dropped';
  return { sets: { mirror: 'held' }, verdict: holds ? 'hold' : 'release' };
}

/** The word of a standby counts while replies wait for it: of any other the copy is out of date. */
function claimed(role: Role, { isMember, epoch, oursEpoch }: Seen<'claimed'>): Step<'claimed'> {
  assert(!isMember || role.mirror !== 'alone', 'a member reigns, and nobody was waited for');
  // 'outranked' follows, once others have been told.
  return { verdict: isMember && epoch > oursEpoch ? 'theirs' : 'ours' };
}

/** In whatever state it reigns. */
const reigning: Rules = {
  // An answer that is not waited for any more.
  answered: stay,
  oldMirrors: stay,
  // Where theirs goes on 'outranked' follows, once the own standby has been told.
  metReign: (_, { ours, theirs }) => ({ verdict: outcome(ours, theirs) }),
  standbyDied: { actions: ['forgetStandby'] },
  claimed,
};

export const mirrors: Readonly<Record<Mirror, Rules>> = {
  alone: {
    ...reigning,
    counted: { sets: { mirror: 'mirrored' } },
    // It was copying.
    standbyGone: (role, seen) => {
      assert(!seen.isMember, 'a member is gone, and nobody was waited for');
      return memberGone(role, seen);
    },
  },
  mirrored: {
    ...reigning,
    standbyGone: memberGone,
  },
  held: {
    ...reigning,
    // It was let in anew, and has not spoken yet.
    standbyGone: (role, seen) => {
      assert(!seen.isMember, 'a member is gone twice');
      return memberGone(role, seen);
    },
    holdOver: { sets: { mirror: 'alone' } },
  },
};

/** The supervisor may say so before it knows that this node does not reign any more. */
const elsewhere: Rules = { standbyDied: stay };

/**
 * What becomes of a role. `leaseLeftMs`: for how long the copy may still be served, as it is at this moment; 0 or less
 * when it may not. Throws when the tables know no answer: the caller is wrong.
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
  { isSupervised, deadAfterMs }: Pick<Role, 'isSupervised' | 'deadAfterMs'>,
): Role {
  return {
    state,
    mirror: 'alone',
    isSupervised,
    isFounder: state === 'starting',
    deadAfterMs,
    epochMet: 0,
    isCertain: false,
    isToldInTime: false,
    wasWhole: false,
  };
}

/** It has a cache that is its own to serve, though it may answer nobody yet. */
export function reigns(state: State): boolean {
  return state === 'starting' || state === 'binding' || state === 'asking' || state === 'primary';
}

/** Such a node has nothing that could be served: when memory runs short, the one with the only copy must stay. */
export function holdsNothing(state: State): boolean {
  return state === 'looking' || state === 'copying';
}
