/**
 * What a node is, and what makes it something else. Pure: (state, event) to state and actions; all transitions stand
 * in one table, and anything that is not in it is a bug that ends the process.
 *
 *      ATTACHING ─welcomed─► COPYING ─synced─► STANDBY ──lost──► RECONNECTING
 *          ▲                    ▲                 │  ▲ dropped        │  │
 *          │                    └────welcomed─────┼──┼────────────────┘  │ nobody there, another, or silence
 *          │                                      └──┼──silence──► FENCING ◄─┘
 *          │                                         │                │ fenced
 *          └───────────deposed── PRIMARY ◄──bound── BINDING ◄─────────┘
 *
 * Whatever happens before a copy is whole ends the node: half a cache is not served. A copy in doubt (this node stood
 * still for longer than the primary waits for acks) is not served either.
 */

export type State =
  | 'attaching'
  | 'copying'
  | 'standby'
  | 'reconnecting'
  | 'fencing'
  | 'binding'
  | 'primary'
  | 'ended';

export type Event =
  /** The primary let us in. */
  | 'welcomed'
  /** The copy is whole. */
  | 'synced'
  /** The connection to the primary ended. */
  | 'lost'
  /** Nobody listens where the primary did: its process is dead. */
  | 'nobody'
  /** The address cannot be reached, or the hello got no answer. */
  | 'unreachable'
  /** Nothing was heard for `--dead-after`. */
  | 'silent'
  /** At the primary's address is somebody else: its process is dead. */
  | 'replaced'
  /** As 'nobody' or 'silent', but our copy may lack what was acknowledged. */
  | 'doubtful'
  /** The primary goes on without us. */
  | 'dropped'
  /** The primary, or we, will not have this mirror. */
  | 'refused'
  /** The old primary can write into our region no more. */
  | 'fenced'
  /** The clients' address is ours. */
  | 'bound'
  /** It could not be had. */
  | 'unbindable'
  /** A higher epoch reigns elsewhere. */
  | 'deposed';

export type Action =
  /** Connect to the primary. */
  | 'attach'
  /** Make the old primary unable to change our region; 'fenced' follows. */
  | 'fence'
  /** Write the new epoch, open the region, bind the clients' address; 'bound' or 'unbindable' follows. */
  | 'promote'
  /** Say that we are in sync. */
  | 'reportSynced'
  /** Say that we serve; let standbys attach. */
  | 'reportServing'
  /** Close all clients, give up the region. */
  | 'retire'
  /** End the process with the error that came with the event. */
  | 'fail';

interface Transition {
  readonly next: State;
  readonly actions: readonly Action[];
}

const fail: Transition = { next: 'ended', actions: ['fail'] };
const stay = (state: State): Transition => ({ next: state, actions: [] });
const takeOver: Transition = { next: 'fencing', actions: ['fence'] };

export const transitions: Readonly<Record<State, Readonly<Partial<Record<Event, Transition>>>>> = {
  attaching: {
    welcomed: { next: 'copying', actions: [] },
    lost: fail,
    nobody: fail,
    unreachable: fail,
    silent: fail,
    doubtful: fail,
    refused: fail,
  },
  copying: {
    synced: { next: 'standby', actions: ['reportSynced'] },
    lost: fail,
    silent: fail,
    doubtful: fail,
    dropped: fail,
    refused: fail,
  },
  standby: {
    lost: { next: 'reconnecting', actions: ['attach'] },
    silent: takeOver,
    doubtful: fail,
    dropped: { next: 'attaching', actions: ['attach'] },
    refused: fail,
  },
  reconnecting: {
    welcomed: { next: 'copying', actions: [] },
    nobody: takeOver,
    silent: takeOver,
    replaced: takeOver,
    doubtful: fail,
    // The address may come back, or the silence will grow long enough.
    unreachable: stay('reconnecting'),
    lost: { next: 'reconnecting', actions: ['attach'] },
    refused: fail,
  },
  fencing: {
    fenced: { next: 'binding', actions: ['promote'] },
  },
  binding: {
    bound: { next: 'primary', actions: ['reportServing'] },
    unbindable: fail,
  },
  primary: {
    deposed: { next: 'attaching', actions: ['retire', 'attach'] },
  },
  ended: {},
};

/** The transition for an event. Throws when there is none: the caller is wrong. */
export function step(state: State, event: Event): Transition {
  const transition = transitions[state][event];
  if (transition === undefined) throw new Error(`assertion failed: '${event}' while ${state}`);
  return transition;
}
