/**
 * The questions of a primary to its owner, and the words of the answers. A primary decides nothing about reigns by
 * itself.
 */
import type { Outcome, Reign } from '../lease/reign.js';
import type { Loss } from './replica.js';

/** Questions of a primary to its owner: failover/role.ts decides what becomes of the primary and of its standbys. */
export interface PrimaryVerdicts {
  /** Another node that reigns was met: which of the two reigns goes on. */
  met(ours: Reign, theirs: Reign): Outcome;
  /** A standby says that it reigns, with this epoch. 'ours' where that claim counts for nothing. */
  claimed(claim: Claim): 'ours' | 'theirs';
  /** A node came that reigns no more, or never has: its random name, and that of the node that has deposed it. */
  visited(node: string, deposedBy: string): void;
  /** A node wants to be a standby. */
  came(newcomer: Newcomer): Entry;
  /** Every reply waits for a standby from now on. */
  counted(): void;
  /**
   * A standby is gone. 'hold': no reply leaves before its hold is over. 'release': the hold ends as soon as the record
   * agrees. 'forget': there is no hold.
   */
  gone(loss: Loss, others: MirrorPhase): 'hold' | 'release' | 'forget';
  /** A standby that was lost will not take over any more. `others`: as the other standbys leave the mirror. */
  holdOver(others: MirrorPhase): void;
}

export interface Newcomer {
  /** It is the standby that was lost, and may take over yet. */
  readonly isLost: boolean;
  /** How many other standbys are attached. */
  readonly others: number;
}

/** 'wait': until the lost standby cannot take over any more. 'busy': there is no room for one more. */
export type Entry = 'letIn' | 'wait' | 'busy';

/**
 * 'alone': replies wait for no standby. 'mirrored': they wait for acks. 'held': no reply leaves, as a lost standby may
 * take over yet.
 */
export type MirrorPhase = 'alone' | 'mirrored' | 'held';

export interface Claim {
  /** Replies wait for this standby, or it was lost a moment ago and may take over yet. */
  readonly isMember: boolean;
  readonly epoch: number;
  readonly oursEpoch: number;
}
