/** The table of roles: what may follow what, and what may never be. */
import { describe, expect, test } from '@jest/globals';
import { type Event, type State, step, transitions } from '../../failover/role.js';

const states = Object.keys(transitions) as State[];
const events: readonly Event[] = [
  'welcomed',
  'synced',
  'lost',
  'nobody',
  'unreachable',
  'silent',
  'replaced',
  'doubtful',
  'dropped',
  'refused',
  'fenced',
  'bound',
  'unbindable',
  'deposed',
];

/** Plays events from a state; returns where it ends and all that was done. */
function play(from: State, ...played: Event[]): { state: State; actions: string[] } {
  let state = from;
  const actions: string[] = [];
  for (const event of played) {
    const transition = step(state, event);
    state = transition.next;
    actions.push(...transition.actions);
  }
  return { state, actions };
}

describe('roles', () => {
  test('every event in every state leads somewhere or is an assertion', () => {
    for (const state of states) {
      for (const event of events) {
        const transition = transitions[state][event];
        if (transition === undefined) {
          expect(() => step(state, event)).toThrow('assertion failed');
        } else {
          expect(states).toContain(step(state, event).next);
        }
      }
    }
  });

  test('a standby whose primary dies takes over in this order: fence, promote, serve', () => {
    expect(play('attaching', 'welcomed', 'synced', 'lost', 'nobody', 'fenced', 'bound')).toEqual({
      state: 'primary',
      actions: ['reportSynced', 'attach', 'fence', 'promote', 'reportServing'],
    });
    expect(play('standby', 'silent', 'fenced', 'bound').state).toBe('primary');
    expect(play('reconnecting', 'replaced', 'fenced', 'bound').state).toBe('primary');
  });

  test('nobody is promoted without having been fenced, and nobody fences who is not a whole standby', () => {
    for (const state of states) {
      for (const event of events) {
        const transition = transitions[state][event];
        if (transition === undefined) continue;
        if (transition.actions.includes('promote'))
          expect([state, event]).toEqual(['fencing', 'fenced']);
        if (transition.actions.includes('fence'))
          expect(['standby', 'reconnecting']).toContain(state);
        if (transition.next === 'primary') expect([state, event]).toEqual(['binding', 'bound']);
      }
    }
  });

  test('half a copy, and a copy in doubt, are never served', () => {
    for (const event of ['lost', 'silent', 'doubtful', 'dropped', 'refused'] as const) {
      expect(play('copying', event)).toEqual({ state: 'ended', actions: ['fail'] });
    }
    for (const state of ['standby', 'reconnecting'] as const) {
      expect(play(state, 'doubtful')).toEqual({ state: 'ended', actions: ['fail'] });
    }
  });

  test('a deposed primary retires before it attaches', () => {
    expect(play('primary', 'deposed')).toEqual({
      state: 'attaching',
      actions: ['retire', 'attach'],
    });
  });

  test('what has ended does nothing more', () => {
    expect(Object.keys(transitions.ended)).toEqual([]);
  });
});
