/**
 * The words between a node and role.ts: the observations that a node reports, the verdicts that come back at once, and
 * the actions that the node carries out then. Only role.ts decides which observation leads to which action.
 */
import type { Outcome, Reign } from '../backup/lease/reign.js';
import type { Entry, MirrorPhase } from '../backup/primary/verdicts.js';

export type Observation =
  // Observations of the connection to a primary.
  /** No process listens there. `isHere`: this machine says so, of the place where the primary itself listened. */
  | { readonly what: 'refused'; readonly isHere: boolean }
  /** A connection that was being opened was reset. */
  | { readonly what: 'reset' }
  /** The address cannot be reached, or this system could not even begin to connect. */
  | { readonly what: 'unreachable' }
  /** A connection that was open ended. */
  | { readonly what: 'lost' }
  /**
   * Nothing was heard for `ms`, of which this node was awake to hear `awakeMs` (detector.ts). Reported at every look at
   * the clock. `isAsking`: an attempt to attach is under way, or has succeeded.
   */
  | {
      readonly what: 'silence';
      readonly ms: number;
      readonly awakeMs: number;
      readonly isAsking: boolean;
    }
  /** A primary would let this node in: the cache that it has, and the cache of this node's copy. */
  | { readonly what: 'metCache'; readonly theirs: CacheAt; readonly ours: CacheAt }
  /** A primary has let this node in, and the copy begins. */
  | { readonly what: 'welcomed' }
  /** The copy is whole. */
  | { readonly what: 'synced' }
  /** The primary goes on without this node. */
  | { readonly what: 'dropped' }
  /**
   * The peer refused this node, or this node the peer. `why`: 'busy', it has another standby; 'peer', its version,
   * secret or times do not fit, or it is no hotspare at all; 'own', this node cannot have a copy (no memory, no
   * device). `mayBeElsewhere`: other addresses are known, or the operator did not name this one. `isSure`: the peer has
   * the primary's own place on this machine, or knows the secret; otherwise anybody on the way may have said so.
   */
  | {
      readonly what: 'turnedAway';
      readonly why: 'busy' | 'peer' | 'own';
      readonly mayBeElsewhere: boolean;
      readonly isSure: boolean;
    }
  /** Another node reigns, and its reign goes on: a DEPOSED said so, or a verdict on 'metReign' or 'claimed'. */
  | { readonly what: 'outranked' }
  /**
   * A node that reigns came to our link port while this node does not. It comes again and again, several times a
   * second. `isAsked`: this node is attaching to its address already, or some primary has let this node in.
   */
  | { readonly what: 'passerReigns'; readonly isAsked: boolean }
  /** A node that looks for a primary, with no copy, came to our link port. `all`: every known node has come so. */
  | { readonly what: 'passerLooks'; readonly all: boolean }

  // Observations of the acts of a takeover, and of a start.
  /** The old primary cannot write into our region any more. */
  | { readonly what: 'revoked' }
  /** The supervisor has ended the old primary. */
  | { readonly what: 'oldEnded' }
  /** The supervisor has not ended the old primary, as the lease was over: the old primary may have gone on alone. */
  | { readonly what: 'oldLives' }
  /** The supervisor has let another standby of the same primary take over. */
  | { readonly what: 'rivalReigns' }
  /** This node reigns, with an epoch of its own, and has said so on the link to the old primary. */
  | { readonly what: 'told' }
  /** The reign is announced wherever a primary may be. */
  | { readonly what: 'announced' }
  /** No node at the old primary's address says that it goes on. */
  | { readonly what: 'answered' }
  | { readonly what: 'bound' }
  | { readonly what: 'bindFailed' }
  /** A cache of this node's own is open. `isAttachable`: other nodes can attach. */
  | { readonly what: 'opened'; readonly isAttachable: boolean }
  | { readonly what: 'openFailed' }
  /** The pause that the last action asked for is over. */
  | { readonly what: 'paused' }
  /** The operator or the supervisor ends this node. */
  | { readonly what: 'stopped' }

  // Observations of the own standby, and of other nodes that reign.
  /**
   * A node wants to be our standby. `isLost`: it is the standby that was lost, and may take over yet. `others`: how
   * many other standbys are attached.
   */
  | { readonly what: 'standbyCame'; readonly isLost: boolean; readonly others: number }
  /** SYNCED is about to be sent to a standby: it may take over from now on, so every reply waits for it. */
  | { readonly what: 'counted' }
  /** The old primary, the same process, came to the link port: it has stepped down for this node's reign. */
  | { readonly what: 'oldYields' }
  /**
   * A standby is gone. `isMember`: replies waited for it. `isSync`: `--ack sync`. `others`: the phase of the mirror
   * without it.
   */
  | {
      readonly what: 'standbyGone';
      readonly how: 'lost' | 'broken' | 'dropped' | 'dead';
      readonly isMember: boolean;
      readonly isSync: boolean;
      readonly others: MirrorPhase;
    }
  /** A lost standby will not take over any more: its hold is over, it is back, or it gave up its copy. */
  | { readonly what: 'holdOver'; readonly others: MirrorPhase }
  /** The supervisor says that the process of a standby has ended. */
  | { readonly what: 'standbyDied' }
  /** The own standby says that it reigns, with this epoch. `isMember`: replies wait for it, or did when it was lost. */
  | {
      readonly what: 'claimed';
      readonly isMember: boolean;
      readonly epoch: number;
      readonly oursEpoch: number;
    }
  /** Another node that reigns was met. */
  | { readonly what: 'metReign'; readonly ours: Reign; readonly theirs: Reign };

export interface CacheAt {
  readonly cache: string;
  readonly epoch: number;
}

export type What = Observation['what'];
export type Seen<W extends What> = Extract<Observation, { what: W }>;

/** The answer to an observation whose reporter has to know it at once; null for all others. */
export type VerdictOf<W extends What> = W extends 'metReign'
  ? Outcome
  : W extends 'claimed'
    ? /** 'theirs': our standby reigns in our place. 'ours': its claim counts for nothing. */
      'theirs' | 'ours'
    : W extends 'standbyGone'
      ? /** No reply leaves before the hold is over; or the hold ends at once; or there is none. */
        'hold' | 'release' | 'forget'
      : W extends 'standbyCame'
        ? Entry
        : W extends 'metCache'
          ? /** 'mirror': our copy is given up for a copy of theirs. 'keep': it is not. */
            'mirror' | 'keep'
          : null;

export type Action =
  /** Connect to the current address. */
  | 'attach'
  /** Pause before the next attempt to connect; 'paused' follows. */
  | 'attachLater'
  /** Turn to the next of the known addresses. */
  | 'lookElsewhere'
  /** Turn to the address that came with the observation, if one did. */
  | 'follow'
  /** End the connection. */
  | 'hangUp'
  /** Law 4: take not one more byte of the old primary's; 'revoked' follows. */
  | 'revoke'
  /** Let the supervisor end the old primary while the lease holds; 'oldEnded', 'oldLives' or 'rivalReigns' follows. */
  | 'endOld'
  /** Begin the new reign: new epoch, region open, link port open. */
  | 'promote'
  /** Tell the old primary on the link that this node reigns, if it can hear. */
  | 'depose'
  /** Announce the reign wherever a primary may be (reign-announcer.ts); 'announced' follows. */
  | 'announce'
  /** Say why the old primary is dead; 'told' follows. */
  | 'reportDead'
  /** Bind the clients' addresses, where they are not bound yet; 'bound' or 'bindFailed' follows. */
  | 'bind'
  /** Pause before the next attempt to bind; 'paused' follows. */
  | 'bindLater'
  /** Ask at the old primary's address whether a node went on; 'answered' follows, or 'outranked'. */
  | 'ask'
  /** Wait for the old primary to come to the link port, and say so; 'oldYields' or 'paused' follows. */
  | 'awaitOld'
  /** Pause, so that a node that reigns already can say so; 'paused' follows. */
  | 'awaitChallenge'
  /** Answer clients. */
  | 'serve'
  /** Open a new, empty cache, as the old one is lost; 'opened' or 'openFailed' follows. */
  | 'beginAnew'
  /** Close all clients, unanswered, and give up the region. */
  | 'retire'
  /** Redirect every node that comes to the link port to the primary that is mirrored from now on. */
  | 'leadOn'
  | 'closeLinkPort'
  /** Wait no more for the standby whose process has ended. */
  | 'forgetStandby'
  | 'reportSynced'
  | 'reportServing'
  /** Note why this copy is not served, though the primary is dead. */
  | 'sayDoubtful'
  /** Note why this takeover is given up. */
  | 'sayLate'
  /** End the process with the error that came with the observation. */
  | 'fail';
