/** The supervisor's table: what it decides, and what it never does, whatever the order of events. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Fenced } from '../../failover/report.js';
import {
  firstPair,
  type MemberName,
  memberNames,
  type PairAction,
  type PairObservation,
  type PairState,
  supervise,
} from '../../failover/supervision.js';

const leaseMs = 500;

let standbys = 1;

/** Plays observations from a pair that is not started; returns its state, and what the last observation led to. */
function play(...history: PairObservation[]): { pair: PairState; actions: readonly PairAction[] } {
  let pair = firstPair(standbys);
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
/** Nodes are told apart by their names, in capitals here. */
const serving = (of: MemberName): PairObservation => ({
  what: 'serving',
  of,
  node: of.toUpperCase(),
});
const synced = (of: MemberName, primary = 'A'): PairObservation[] => [
  { what: 'copying', of, node: of.toUpperCase(), primary },
  { what: 'synced', of },
];
const alone: PairObservation[] = [{ what: 'begun' }, serving('a')];
const copying: PairObservation[] = [...alone, { what: 'startDue' }];
const mirrored: PairObservation[] = [...copying, ...synced('b')];
const told = (name: MemberName, fenced: Fenced) => ({ act: 'notify', name, notice: { fenced } });

describe('a standby asks to end the primary', () => {
  test('while its lease holds: the primary is killed, and the answer follows its end', () => {
    const asked = [...mirrored, fence('b', 10)];
    expect(acts(...asked)).toEqual([{ act: 'kill', name: 'a' }]);
    expect(acts(...asked, exited('a', 20))).toEqual([told('b', 'oldEnded')]);
    // The kill counts, not the moment at which it was heard of.
    expect(acts(...asked, exited('a', 2 * leaseMs))).toEqual([told('b', 'oldEnded')]);
  });

  test('when its lease is over: the primary lives on', () => {
    expect(acts(...mirrored, fence('b', leaseMs))).toEqual([told('b', 'oldLives')]);
  });

  test('when the primary has ended: what counts is whether that was while the lease held', () => {
    const [inTime, late] = [leaseMs - 1, leaseMs];
    expect(acts(...mirrored, exited('a', inTime), fence('b', late))).toEqual([
      told('b', 'oldEnded'),
    ]);
    expect(acts(...mirrored, exited('a', late), fence('b', late))).toEqual([told('b', 'oldLives')]);
  });

  test('without a whole copy', () => {
    const gaveUp: PairObservation = { what: 'copyGivenUp', of: 'b' };
    expect(acts(...mirrored, gaveUp, fence('b', 10))).toEqual([told('b', 'oldLives')]);
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
    const history = [...mirrored, serving('b'), deposed];
    expect(acts(...history, exited('b'))).toEqual([{ act: 'end', name: 'a' }]);
  });

  test('and serves gets a standby, and no other one beside it', () => {
    expect(acts(...mirrored, exited('b'))).toEqual([
      { act: 'notify', name: 'a', notice: { standbyDead: 'B' } },
      { act: 'later', ms: 0, seen: { what: 'startDue' } },
    ]);
    expect(acts(...mirrored, { what: 'startDue' })).toEqual([]);
  });
});

test('a standby that is dropped is killed; one whose primary does not serve any more is not', () => {
  const dropped: PairObservation = { what: 'standbyDropped', of: 'a', node: 'B', nowMs: 0 };
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
  const both: PairObservation[] = [...mirrored, serving('b'), stopped];
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
  expect(() => supervise(firstPair(), { what: 'synced', of: 'b' })).toThrow(/^assertion failed: /);
});

describe('of two standbys', () => {
  const both = [...copying, ...synced('b'), ...synced('c')];

  beforeEach(() => {
    standbys = 2;
  });

  afterEach(() => {
    standbys = 1;
  });

  test('both are started as soon as the primary serves', () => {
    expect(acts(...copying)).toEqual([
      { act: 'startStandby', name: 'b', of: 'a' },
      { act: 'startStandby', name: 'c', of: 'a' },
    ]);
  });

  test('the first that asks takes over, and the other is led to it', () => {
    expect(acts(...both, exited('a', 10), fence('c', 20))).toEqual([told('c', 'oldEnded')]);
    const chosen = [...both, exited('a', 10), fence('c', 20), fence('b', 21)];
    expect(acts(...chosen)).toEqual([]);
    expect(acts(...chosen, serving('c'))).toEqual([
      told('b', 'rivalReigns'),
      { act: 'lead', name: 'b', to: 'c' },
      { act: 'later', ms: 100, seen: { what: 'startDue' } },
    ]);
  });

  test('a hanging primary is killed once, for the first that asks', () => {
    const asked = [...both, fence('b', 10), fence('c', 11)];
    expect(acts(...both, fence('b', 10))).toEqual([{ act: 'kill', name: 'a' }]);
    expect(acts(...asked)).toEqual([]);
    expect(acts(...asked, exited('a', 12))).toEqual([told('b', 'oldEnded')]);
  });

  test('the other takes over when the first one ends, or gives its copy up, before it serves', () => {
    const chosen = [...both, exited('a', 10), fence('c', 20), fence('b', 21)];
    expect(acts(...chosen, exited('c', 30))).toEqual([told('b', 'oldEnded')]);
    expect(acts(...chosen, { what: 'copyGivenUp', of: 'c' })).toEqual([told('b', 'oldEnded')]);
    // One whose lease was over when the primary ended does not.
    const late = [...both, exited('a', leaseMs), fence('c', 20, 2 * leaseMs), fence('b', 21)];
    expect(acts(...late, exited('c', 30))).toEqual([]);
  });

  test('one that asks when the other serves already is led to it, and ends nobody', () => {
    const served = [...both, exited('a', 10), fence('c', 20), serving('c')];
    expect(acts(...served, fence('b', 30))).toEqual([
      told('b', 'rivalReigns'),
      { act: 'lead', name: 'b', to: 'c' },
    ]);
    // Once it has a copy of the new primary, it may ask for that one.
    expect(acts(...served, ...synced('b', 'C'), fence('b', 30))).toEqual([
      { act: 'kill', name: 'c' },
    ]);
  });

  test('one that ends is told to the primary, and replaced', () => {
    expect(acts(...both, exited('c'))).toEqual([
      { act: 'notify', name: 'a', notice: { standbyDead: 'C' } },
      { act: 'later', ms: 0, seen: { what: 'startDue' } },
    ]);
    expect(acts(...both, exited('c'), { what: 'startDue' })).toEqual([
      { act: 'startStandby', name: 'c', of: 'a' },
    ]);
  });

  test('one that is dropped is killed, and not the other', () => {
    const dropped: PairObservation = { what: 'standbyDropped', of: 'a', node: 'C', nowMs: 0 };
    expect(acts(...both, dropped)).toEqual([{ act: 'kill', name: 'c' }]);
  });

  test('all end in order: the standbys, then the primary', () => {
    const stopped: PairObservation = { what: 'stopped' };
    expect(acts(...both, stopped)).toEqual([
      { act: 'end', name: 'b' },
      { act: 'end', name: 'c' },
    ]);
    expect(acts(...both, stopped, exited('b'))).toEqual([]);
    expect(acts(...both, stopped, exited('b'), exited('c'))).toEqual([{ act: 'end', name: 'a' }]);
  });

  test('that are left alone with half a copy each end', () => {
    const halves = acts(...copying, exited('a'));
    expect(halves).toEqual([
      { act: 'end', name: 'b' },
      { act: 'end', name: 'c' },
    ]);
  });
});

/** What happened so far, apart from the table: when each node was killed or ended, and which nodes live. */
class Witness {
  pair: PairState;
  nowMs = 0;
  isOver = false;
  isStopped = false;
  /** How often a start is due. */
  startsDue = 0;
  private incarnations = 0;
  /** The end of each primary that is gone. */
  private primaryEndMs = Number.NEGATIVE_INFINITY;
  private readonly killMs = new Map<MemberName, number>();
  private readonly untilMs = new Map<MemberName, number>();
  /** The standby that was told that the old primary has ended, until it serves, ends, or gives its copy up. */
  private heir: MemberName | null = null;

  constructor(size: number) {
    this.pair = firstPair(size - 1);
  }

  get names(): MemberName[] {
    return memberNames.filter((name) => this.pair.members[name] !== undefined);
  }

  /** A name that no node has had. */
  fresh(): string {
    this.incarnations++;
    return `n${this.incarnations}`;
  }

  see(seen: PairObservation): void {
    const before = this.pair;
    const member = 'of' in seen ? before.members[seen.of] : undefined;
    if (seen.what === 'fence' && member?.doomed === false) this.untilMs.set(seen.of, seen.untilMs);
    if (seen.what === 'exited' && (member!.role === 'primary' || member!.hasReigned)) {
      this.primaryEndMs = this.killMs.get(seen.of) ?? seen.nowMs;
    }
    if (seen.what === 'startDue') this.startsDue--;
    if (seen.what === 'stopped') this.isStopped = true;
    if ('of' in seen && seen.of === this.heir && seen.what !== 'fence') {
      if (['serving', 'exited', 'copying', 'copyGivenUp'].includes(seen.what)) this.heir = null;
    }
    const { pair, actions } = supervise(before, seen);
    this.pair = pair;
    for (const action of actions) this.judge(action, before);
    if (seen.what === 'exited') this.killMs.delete(seen.of);
    this.judgeState();
  }

  private judge(action: PairAction, before: PairState): void {
    if ('name' in action && action.act !== 'startStandby' && action.act !== 'startPrimary') {
      expect(this.pair.members[action.name]).toBeDefined();
    }
    switch (action.act) {
      case 'kill': {
        // Somebody else has the whole cache, and lives.
        const others = this.names.filter((name) => name !== action.name);
        const live = others.filter((name) => {
          const { ready, doomed } = before.members[name]!;
          return ready && !doomed;
        });
        expect(live.length).toBeGreaterThan(0);
        expect([before.members[action.name]?.doomed, this.isStopped]).toEqual([false, false]);
        const { heir } = this.pair;
        if (before.members[action.name]!.role === 'primary') {
          expect(this.nowMs).toBeLessThan(this.untilMs.get(heir!)!);
        }
        this.killMs.set(action.name, this.nowMs);
        return;
      }
      case 'startStandby':
        expect(before.members[action.name]).toBeUndefined();
        expect(before.members[action.of]).toMatchObject({
          role: 'primary',
          ready: true,
          doomed: false,
        });
        expect(this.isStopped).toBe(false);
        return;
      case 'notify':
        if (action.notice.fenced !== 'oldEnded') return;
        // Nobody else serves, or may; the old primary was gone while the lease held.
        expect(this.names.filter((name) => this.pair.members[name]!.role === 'primary')).toEqual(
          [],
        );
        expect(this.names.map((name) => this.pair.members[name]!.node)).not.toContain(
          this.pair.members[action.name]!.primary,
        );
        expect([null, action.name]).toContain(this.heir);
        this.heir = action.name;
        expect(this.primaryEndMs).toBeLessThan(this.untilMs.get(action.name)!);
        expect(this.pair.members[action.name]).toMatchObject({
          role: 'standby',
          ready: true,
          doomed: false,
        });
        return;
      case 'later':
        if (action.seen.what === 'startDue') this.startsDue++;
        return;
      case 'endPair':
        this.isOver = true;
        expect([this.names, this.isStopped]).toEqual([[], false]);
        return;
      default:
    }
  }

  private judgeState(): void {
    const { names, pair, isStopped } = this;
    if (names.length === 0 && !isStopped) expect(this.isOver).toBe(true);
    const live = names.map((name) => pair.members[name]!).filter(({ doomed }) => !doomed);
    // What follows from the end of a node that is being ended is decided when that one is gone.
    if (isStopped || !pair.hasServed || live.length < names.length || live.length === 0) return;
    // Some node has a whole copy, and may yet serve; or one serves, and gets its standbys.
    expect(live.some(({ ready, role }) => ready || role === 'primary')).toBe(true);
    const [leader] = live.filter(({ role, ready }) => role === 'primary' && ready);
    if (leader !== undefined && names.length < pair.size) {
      expect(this.startsDue).toBeGreaterThan(0);
    }
  }
}

/** Makes an observation more probable. */
function again<T>(times: number, one: T): T[] {
  return Array.from({ length: times }, () => one);
}

/** The next observation that `dice` picks from those that are possible now. */
function possible(witness: Witness, dice: number, leftMs: number): PairObservation {
  const { pair, nowMs } = witness;
  const seen: PairObservation[] = [];
  const leader = witness.names.find((name) => pair.members[name]!.role === 'primary');
  for (const of of witness.names) {
    const member = pair.members[of]!;
    seen.push({ what: 'exited', of, reason: 'SIGKILL', status: null, nowMs });
    if (member.role === 'primary' && !member.ready) {
      seen.push({ what: 'serving', of, node: witness.fresh() });
      continue;
    }
    seen.push({ what: 'copyGivenUp', of }, { what: 'signalledAlone', of, signal: 'SIGTERM' });
    if (member.role === 'primary') {
      const node = witness.names.map((name) => pair.members[name]!.node)[
        dice % witness.names.length
      ]!;
      seen.push({ what: 'standbyDropped', of, node, nowMs });
      continue;
    }
    // A standby serves only when it was told to, or where the primary is gone and it has no rivals.
    const isTold = pair.heir === of && member.asksUntilMs === null;
    if (isTold) seen.push(...again(6, { what: 'serving', of, node: member.node } as const));
    const primary = leader === undefined ? 'none' : pair.members[leader]!.node;
    if (leader !== undefined) {
      seen.push({ what: 'copying', of, node: member.node || witness.fresh(), primary });
    }
    const fencing = { what: 'fence', of, untilMs: nowMs + leftMs, nowMs } as const;
    if (member.primary !== '' && !member.ready)
      seen.push(...again(6, { what: 'synced', of } as const));
    if (member.ready) seen.push(...again(6, fencing));
  }
  if (witness.startsDue > 0) seen.push({ what: 'startDue' }, { what: 'startDue' });
  if (dice % 97 === 0) return { what: 'stopped' };
  return seen[dice % seen.length]!;
}

test.each([2, 3, 4])(
  'whatever happens to %s nodes: none but a hanging one is killed, and no two take over',
  (size) => {
    const step = fc.record({
      dice: fc.noBias(fc.nat()),
      passMs: fc.nat(leaseMs),
      leftMs: fc.integer({ min: -leaseMs, max: leaseMs }),
    });
    const counts = { kills: 0, starts: 0, heirs: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 60 }), (steps) => {
        const witness = new Witness(size);
        witness.see({ what: 'begun' });
        for (const { dice, passMs, leftMs } of steps) {
          witness.nowMs += passMs;
          if (witness.names.length === 0) break;
          const before = witness.pair;
          witness.see(possible(witness, dice, leftMs));
          if (witness.pair.heir !== before.heir) counts.heirs++;
          for (const name of memberNames) {
            const [was, is] = [before.members[name], witness.pair.members[name]];
            if (was?.killedMs === null && is?.killedMs != null) counts.kills++;
            if (was === undefined && is !== undefined) counts.starts++;
          }
        }
      }),
      { numRuns: 2000 },
    );
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(20);
  },
);
