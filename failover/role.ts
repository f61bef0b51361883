/**
 * What a node is, and what makes it something else. Pure: (state, event) to state and actions; all transitions stand
 * in one table, and anything that is not in it is a bug that ends the process.
 *
 *      ATTACHING ─welcomed─► COPYING ─synced─► STANDBY ──lost──► RECONNECTING
 *       ▲ ▲ ▲ └─again─┘         │ ▲               │  │               │  │
 *       │ │ └──lost, dropped────┘ └───welcomed────┼──┼───────────────┘  │ nobody there, another, or silence
 *       │ └────dropped, doubtful, outranked───────┘  └─silence─► FENCING ◄─┘
 *       │                                                     late │ │ fenced
 *       ├──────────────────────────────────────────────────────────┘ ▼
 *       ├──────────late, outranked────────────────────────────── BINDING
 *       │                                                            │ bound
 *       ├──────────outranked── PRIMARY ◄─────────────────────────────┘
 *       │                         ▲
 *       └─forsaken─► STARTING ────┘ unchallenged
 *
 * A node ends by itself only for a reason that waiting cannot cure (`refused`). Half a copy, and a copy in doubt (this
 * node stood still for longer than the primary waits for acks), are never served: whoever holds one looks for a
 * primary, for as long as it takes.
 */

export type State =
  | 'starting'
  | 'attaching'
  | 'copying'
  | 'standby'
  | 'reconnecting'
  | 'fencing'
  | 'binding'
  | 'primary'
  | 'ended';

export type Event =
  /** A node that starts with a cache of its own has heard of nobody who reigns. */
  | 'unchallenged'
  /** The primary let us in. */
  | 'welcomed'
  /** The copy is whole. */
  | 'synced'
  /** The connection to the primary ended. */
  | 'lost'
  /** Nobody listens where the primary did, on this machine: its process is dead. */
  | 'nobody'
  /** The address cannot be reached, refuses on another machine, or the hello got no answer. */
  | 'unreachable'
  /** The primary cannot have us now. */
  | 'busy'
  /** Nothing was heard for `--dead-after`. */
  | 'silent'
  /** At the primary's address is somebody else: its process is dead. */
  | 'replaced'
  /** As 'nobody' or 'silent', but our copy may lack what was acknowledged. */
  | 'doubtful'
  /** The primary goes on without us. */
  | 'dropped'
  /** The primary, or we, will not have this mirror, and waiting does not cure that. */
  | 'refused'
  /** The old primary can write into our region no more. */
  | 'fenced'
  /** The lease ended before the takeover could begin. */
  | 'late'
  /** The clients' address is ours. */
  | 'bound'
  /** Another node reigns, and ours is not the reign that goes on. */
  | 'outranked'
  /** The same, and it did not say where it can be attached to. */
  | 'homeless'
  /** Every node that is known looks for a primary, and none of them has anything in hand. */
  | 'forsaken';

export type Action =
  /** Answer clients. */
  | 'serve'
  /** Connect to the primary. */
  | 'attach'
  /** The same, in a moment. */
  | 'attachLater'
  /** Make the old primary unable to change our region; 'fenced' or 'late' follows. */
  | 'fence'
  /** Write the new epoch, open the region, bind the clients' address; 'bound', 'late' or 'outranked' follows. */
  | 'promote'
  /** Say that we are in sync. */
  | 'reportSynced'
  /** Say that we serve. */
  | 'reportServing'
  /** Close all clients, give up the region. */
  | 'retire'
  /** Serve a new, empty cache: the one that was is gone. */
  | 'beginAnew'
  /** End the process with the error that came with the event. */
  | 'fail';

interface Transition {
  readonly next: State;
  readonly actions: readonly Action[];
}

const fail: Transition = { next: 'ended', actions: ['fail'] };
const again: Transition = { next: 'attaching', actions: ['attachLater'] };
const attach: Transition = { next: 'attaching', actions: ['attach'] };
const retire: Transition = { next: 'attaching', actions: ['retire', 'attach'] };
const retireAlone: Transition = { next: 'attaching', actions: ['retire', 'attachLater'] };
const takeOver: Transition = { next: 'fencing', actions: ['fence'] };

export const transitions: Readonly<Record<State, Readonly<Partial<Record<Event, Transition>>>>> = {
  starting: {
    unchallenged: { next: 'primary', actions: ['serve', 'reportServing'] },
    outranked: retire,
    homeless: retireAlone,
  },
  attaching: {
    welcomed: { next: 'copying', actions: [] },
    lost: again,
    nobody: again,
    unreachable: again,
    busy: again,
    silent: again,
    doubtful: again,
    outranked: again,
    homeless: again,
    forsaken: { next: 'starting', actions: ['beginAnew'] },
    refused: fail,
  },
  copying: {
    synced: { next: 'standby', actions: ['reportSynced'] },
    lost: again,
    silent: again,
    busy: again,
    dropped: again,
    outranked: attach,
    homeless: again,
    refused: fail,
  },
  standby: {
    lost: { next: 'reconnecting', actions: ['attach'] },
    silent: takeOver,
    dropped: attach,
    doubtful: again,
    outranked: attach,
    homeless: again,
    busy: again,
    refused: fail,
  },
  reconnecting: {
    welcomed: { next: 'copying', actions: [] },
    nobody: takeOver,
    silent: takeOver,
    replaced: takeOver,
    doubtful: again,
    busy: again,
    outranked: attach,
    homeless: again,
    // The address may come back, or the silence will grow long enough.
    unreachable: { next: 'reconnecting', actions: ['attachLater'] },
    lost: { next: 'reconnecting', actions: ['attach'] },
    refused: fail,
  },
  fencing: {
    fenced: { next: 'binding', actions: ['promote'] },
    late: again,
  },
  binding: {
    bound: { next: 'primary', actions: ['reportServing'] },
    late: again,
    outranked: retire,
    homeless: retireAlone,
  },
  primary: {
    outranked: retire,
    homeless: retireAlone,
  },
  ended: {},
};

/** The transition for an event. Throws when there is none: the caller is wrong. */
export function step(state: State, event: Event): Transition {
  const transition = transitions[state][event];
  if (transition === undefined) throw new Error(`assertion failed: '${event}' while ${state}`);
  return transition;
}
