/** The supervisor's table: what it decides, and what it never does, whatever the order of events. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  firstPair,
  type MemberName,
  otherOf,
  type PairAction,
  type PairObservation,
  type PairState,
  supervise,
} from '../../failover/supervision.js';

const names = ['a', 'b'] as const;
const leaseMs = 500;

/** Plays observations from a pair that is not started; returns its state, and what the last observation led to. */
function play(...history: PairObservation[]): { pair: PairState; actions: readonly PairAction[] } {
  let pair = firstPair;
  let actions: readonly PairAction[] = [];
  for (const seen of history) ({ pair, actions } = supervise(pair, seen));
  return { pair, actions };
}

function acts(...history: PairObservation[]): PairAction[] {
  return play(...history).actions.filter(({ act }) => act !== 'say');
}

const exited = (of: MemberName, nowMs = 0, status: number | null = null): PairObservation => ({
  what: 'exited',
  of,
  reason: 'SIGKILL',
  status,
  nowMs,
});
const fence = (of: MemberName, nowMs: number, untilMs = leaseMs): PairObservation => ({
  what: 'fence',
  of,
  untilMs,
  nowMs,
});
const alone: PairObservation[] = [{ what: 'begun' }, { what: 'serving', of: 'a' }];
const copying: PairObservation[] = [...alone, { what: 'startDue' }];
const mirrored: PairObservation[] = [...copying, { what: 'synced', of: 'b' }];
const told = (name: MemberName, fenced: boolean) => ({ act: 'notify', name, notice: { fenced } });

describe('a standby asks to end the primary', () => {
  test('while its lease holds: the primary is killed, and the answer follows its end', () => {
    const asked = [...mirrored, fence('b', 10)];
    expect(acts(...asked)).toEqual([{ act: 'kill', name: 'a' }]);
    expect(acts(...asked, exited('a', 20))).toEqual([told('b', true)]);
    // The kill counts, not the moment at which it was heard of.
    expect(acts(...asked, exited('a', 2 * leaseMs))).toEqual([told('b', true)]);
  });

  test('when its lease is over: the primary lives on', () => {
    expect(acts(...mirrored, fence('b', leaseMs))).toEqual([told('b', false)]);
  });

  test('when the primary has ended: what counts is whether that was while the lease held', () => {
    const [inTime, late] = [leaseMs - 1, leaseMs];
    expect(acts(...mirrored, exited('a', inTime), fence('b', late))).toEqual([told('b', true)]);
    expect(acts(...mirrored, exited('a', late), fence('b', late))).toEqual([told('b', false)]);
  });

  test('without a whole copy', () => {
    const gaveUp: PairObservation = { what: 'copyGivenUp', of: 'b' };
    expect(acts(...mirrored, gaveUp, fence('b', 10))).toEqual([told('b', false)]);
  });
});

describe('a node that is left alone', () => {
  test('with half a copy is ended, and the pair with it', () => {
    expect(acts(...copying, exited('a'))).toEqual([{ act: 'end', name: 'b' }]);
    expect(acts(...copying, exited('a'), exited('b', 0, 3))).toMatchObject([
      { act: 'endPair', status: null },
    ]);
  });

  // Such a node looked for its dead primary for ever, while the supervisor took its copy for whole.
  test('and gives up its copy, as its lease was over, is ended as well', () => {
    const gaveUp: PairObservation = { what: 'copyGivenUp', of: 'b' };
    const history = [...mirrored, exited('a'), gaveUp];
    expect(acts(...history)).toEqual([{ act: 'end', name: 'b' }]);
    expect(acts(...history, exited('b'))).toMatchObject([{ act: 'endPair' }]);
    expect(acts(...mirrored, gaveUp, exited('a'))).toEqual([{ act: 'end', name: 'b' }]);
  });

  test('and was deposed is no primary for a standby', () => {
    const deposed: PairObservation = { what: 'copyGivenUp', of: 'a' };
    const history = [...mirrored, { what: 'serving', of: 'b' } as const, deposed];
    expect(acts(...history, exited('b'))).toEqual([{ act: 'end', name: 'a' }]);
  });

  test('and serves gets a standby, and no other one beside it', () => {
    expect(acts(...mirrored, exited('b'))).toEqual([
      { act: 'notify', name: 'a', notice: { standbyDead: true } },
      { act: 'later', ms: 0, seen: { what: 'startDue' } },
    ]);
    expect(acts(...mirrored, { what: 'startDue' })).toEqual([]);
  });
});

test('a standby that is dropped is killed; one whose primary does not serve any more is not', () => {
  const dropped: PairObservation = { what: 'standbyDropped', of: 'a', nowMs: 0 };
  expect(acts(...mirrored, dropped)).toEqual([{ act: 'kill', name: 'b' }]);
  expect(acts(...mirrored, fence('b', 10), dropped)).toEqual([]);
  expect(acts(...mirrored, { what: 'copyGivenUp', of: 'a' }, dropped)).toEqual([]);
});

test('a first primary that never served passes its exit status on', () => {
  expect(acts({ what: 'begun' }, exited('a', 0, 71))).toMatchObject([
    { act: 'endPair', status: 71 },
  ]);
  expect(acts(...alone, exited('a', 0, 71))).toMatchObject([{ act: 'endPair', status: null }]);
});

test('the pair ends in order: the standby first, then the primary', () => {
  const stopped: PairObservation = { what: 'stopped' };
  expect(acts(...mirrored, stopped)).toEqual([{ act: 'end', name: 'b' }]);
  expect(acts(...mirrored, stopped, stopped)).toEqual([]);
  expect(acts(...mirrored, stopped, exited('b'))).toEqual([{ act: 'end', name: 'a' }]);
  expect(acts(...mirrored, stopped, exited('b'), exited('a'))).toEqual([]);
  // Both nodes serve, as the old primary has not ended yet.
  const both: PairObservation[] = [...mirrored, { what: 'serving', of: 'b' }, stopped];
  expect(acts(...both)).toEqual([{ act: 'end', name: 'a' }]);
  expect(acts(...both, exited('a'))).toEqual([{ act: 'end', name: 'b' }]);
});

test('a node that was sent a signal ends after a pause, unless the whole pair was sent it', () => {
  const seen: PairObservation = { what: 'signalledAlone', of: 'a', signal: 'SIGTERM' };
  const signalled: PairObservation = { ...seen, what: 'signalled' };
  expect(acts(...mirrored, signalled)).toEqual([{ act: 'later', ms: 200, seen }]);
  expect(acts(...mirrored, signalled, seen)).toEqual([
    { act: 'notify', name: 'a', notice: { end: true } },
  ]);
  expect(acts(...mirrored, signalled, { what: 'stopped' }, seen)).toEqual([]);
});

test('an observation of a node that is not there is an assertion', () => {
  expect(() => supervise(firstPair, { what: 'synced', of: 'b' })).toThrow(/^assertion failed: /);
});

/** What happened so far, apart from the table: when each node was killed or ended, and which nodes live. */
class Witness {
  pair = firstPair;
  nowMs = 0;
  isOver = false;
  isStopped = false;
  /** When a start is due, and how often it was asked for. */
  startsDue = 0;
  private readonly deathMs: Record<MemberName, number | null> = { a: null, b: null };
  private readonly untilMs: Record<MemberName, number> = { a: 0, b: 0 };

  see(seen: PairObservation): void {
    const before = this.pair;
    if (seen.what === 'fence') this.untilMs[seen.of] = seen.untilMs;
    if (seen.what === 'exited') this.deathMs[seen.of] ??= seen.nowMs;
    if (seen.what === 'startDue') this.startsDue--;
    if (seen.what === 'stopped') this.isStopped = true;
    const { pair, actions } = supervise(before, seen);
    this.pair = pair;
    for (const action of actions) this.judge(action, before);
    this.judgeState();
  }

  private judge(action: PairAction, before: PairState): void {
    if ('name' in action && action.act !== 'startStandby' && action.act !== 'startPrimary') {
      expect(this.pair[action.name]).not.toBeNull();
    }
    switch (action.act) {
      case 'kill': {
        const other = before[otherOf(action.name)];
        expect([other?.ready, other?.doomed]).toEqual([true, false]);
        expect([before[action.name]?.doomed, this.isStopped]).toEqual([false, false]);
        const { isAsking } = this.pair[otherOf(action.name)]!;
        if (isAsking) expect(this.nowMs).toBeLessThan(this.untilMs[otherOf(action.name)]);
        this.deathMs[action.name] = this.nowMs;
        return;
      }
      case 'startStandby':
        expect([before[action.name], before[action.of]?.role]).toEqual([null, 'primary']);
        expect([before[action.of]?.ready, before[action.of]?.doomed]).toEqual([true, false]);
        expect(this.isStopped).toBe(false);
        this.deathMs[action.name] = null;
        return;
      case 'notify':
        if (action.notice.fenced !== true) return;
        expect(this.pair[otherOf(action.name)]).toBeNull();
        expect(this.deathMs[otherOf(action.name)]).toBeLessThan(this.untilMs[action.name]);
        expect(before[action.name]).toMatchObject({ role: 'standby', ready: true, doomed: false });
        return;
      case 'later':
        if (action.seen.what === 'startDue') this.startsDue++;
        return;
      case 'endPair':
        this.isOver = true;
        expect([this.pair.a, this.pair.b, this.isStopped]).toEqual([null, null, false]);
        return;
      default:
    }
  }

  private judgeState(): void {
    const { a, b } = this.pair;
    const live = [a, b].filter((member) => member !== null);
    if (live.length === 0 && !this.isStopped) expect(this.isOver).toBe(true);
    const [only] = live;
    if (live.length !== 1 || only === undefined || only.doomed) return;
    expect(this.isStopped).toBe(false);
    if (!this.pair.hasServed) return;
    // A lone node has a whole copy, and may yet serve; or it serves, and gets a standby.
    expect(only.ready).toBe(true);
    if (only.role === 'primary') expect(this.startsDue).toBeGreaterThan(0);
  }
}

/** The next observation that `dice` picks from those that are possible now; null where there is none. */
function possible(witness: Witness, dice: number, leftMs: number): PairObservation | null {
  const { pair, nowMs } = witness;
  const seen: PairObservation[] = [];
  for (const of of names) {
    const member = pair[of];
    if (member === null) continue;
    // Most nodes live for a while.
    const mayEnd = member.doomed || (dice >> 16) % 4 === 0;
    if (mayEnd) seen.push({ what: 'exited', of, reason: 'SIGKILL', status: null, nowMs });
    seen.push({ what: 'serving', of }, { what: 'standbyDropped', of, nowMs });
    if (member.role === 'primary' && !member.ready) continue;
    seen.push({ what: 'copyGivenUp', of }, { what: 'signalledAlone', of, signal: 'SIGTERM' });
    if (member.role === 'primary') continue;
    const fencing = { what: 'fence', of, untilMs: nowMs + leftMs, nowMs } as const;
    seen.push({ what: 'synced', of }, { what: 'synced', of }, fencing, fencing);
  }
  if (witness.startsDue > 0) seen.push({ what: 'startDue' }, { what: 'startDue' });
  if (dice % 97 === 0) return { what: 'stopped' };
  return seen[dice % seen.length] ?? null;
}

test('whatever happens: none but a hanging node is killed, and no copy is served that may be old', () => {
  const step = fc.record({
    dice: fc.noBias(fc.nat()),
    passMs: fc.nat(leaseMs),
    leftMs: fc.integer({ min: -leaseMs, max: leaseMs }),
  });
  let kills = 0;
  let starts = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 60 }), (steps) => {
      const witness = new Witness();
      witness.see({ what: 'begun' });
      for (const { dice, passMs, leftMs } of steps) {
        witness.nowMs += passMs;
        if (witness.pair.a === null && witness.pair.b === null) break;
        const before = witness.pair;
        const seen = possible(witness, dice, leftMs);
        if (seen !== null) witness.see(seen);
        for (const name of names) {
          if (before[name]?.killedMs === null && witness.pair[name]?.killedMs != null) kills++;
          if (before[name] === null && witness.pair[name] !== null) starts++;
        }
      }
    }),
    { numRuns: 600 },
  );
  expect(kills).toBeGreaterThan(100);
  expect(starts).toBeGreaterThan(200);
});
