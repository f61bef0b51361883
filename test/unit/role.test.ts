/** The table of roles: what may follow what, and what may never be. */
import { describe, expect, test } from '@jest/globals';
import { type Event, type State, step, transitions } from '../../failover/role.js';

const states = Object.keys(transitions) as State[];
const events: readonly Event[] = [
  'unchallenged',
  'welcomed',
  'synced',
  'lost',
  'nobody',
  'unreachable',
  'busy',
  'silent',
  'replaced',
  'doubtful',
  'dropped',
  'refused',
  'fenced',
  'late',
  'bound',
  'outranked',
  'homeless',
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
        if (transition.next !== 'primary') continue;
        expect([
          ['binding', 'bound'],
          ['starting', 'unchallenged'],
        ]).toContainEqual([state, event]);
      }
    }
  });

  test('half a copy, and a copy in doubt, are never served, nor is their node ended: it looks for a primary', () => {
    for (const event of ['lost', 'silent', 'dropped', 'busy'] as const) {
      expect(play('copying', event)).toEqual({ state: 'attaching', actions: ['attachLater'] });
    }
    for (const state of ['standby', 'reconnecting'] as const) {
      expect(play(state, 'doubtful')).toEqual({ state: 'attaching', actions: ['attachLater'] });
    }
  });

  test('a standby that is started first waits, whatever it finds', () => {
    for (const event of ['nobody', 'unreachable', 'silent', 'busy', 'lost'] as const) {
      expect(play('attaching', event)).toEqual({ state: 'attaching', actions: ['attachLater'] });
    }
  });

  test('whoever serves ends only where another reign goes on that nobody can attach to', () => {
    for (const state of ['fencing', 'binding', 'primary'] as const) {
      for (const event of events) {
        if (transitions[state][event]?.next === 'ended') expect(event).toBe('homeless');
      }
    }
  });

  test('a takeover that comes too late goes back to looking for a primary', () => {
    for (const state of ['fencing', 'binding'] as const) {
      expect(play(state, 'late')).toEqual({ state: 'attaching', actions: ['attachLater'] });
    }
  });

  test('a primary that is outranked retires before it attaches, in the midst of its takeover as well', () => {
    for (const state of ['starting', 'binding', 'primary'] as const) {
      expect(play(state, 'outranked')).toEqual({
        state: 'attaching',
        actions: ['retire', 'attach'],
      });
    }
  });

  test('a standby whose primary was deposed attaches to whoever reigns', () => {
    for (const state of ['copying', 'standby', 'reconnecting'] as const) {
      expect(play(state, 'outranked')).toEqual({ state: 'attaching', actions: ['attach'] });
    }
  });

  test('what has ended does nothing more', () => {
    expect(Object.keys(transitions.ended)).toEqual([]);
  });
});
