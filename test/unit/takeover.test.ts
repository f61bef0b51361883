/**
 * A takeover that stands still, as role.ts decides it. The process may stop between any two acts for any time; the old
 * primary lives, waits
 * for as long as its standby's lease is, and then goes on alone. Never may both have answered: a history of acts on one
 * clock, with a stop of any length before any of them.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Action, Observation } from '../../failover/observation.js';
import { decide, firstRole, type Role } from '../../failover/role.js';

const leaseMs = 500;
const deadAfterMs = 100;

/** How the old primary can be reached; a 'cut' one may die as well after it went on. */
type Old = 'reachable' | 'cut' | 'dead';

interface Scenario {
  readonly old: Old;
  /** The act before which the process stands still, and for how long. */
  readonly stopAt: number;
  readonly stopMs: number;
  /** Attempts to bind that fail before one succeeds. */
  readonly refusals: number;
  readonly supervised: boolean;
}

class World {
  nowMs = 0;
  /** Those that the node came to, in order. */
  readonly states: string[] = [];
  /** Actions beside those of the takeover itself. */
  readonly done: Action[] = [];
  /** When the old primary answered alone; null: never. */
  wentOnMs: number | null = null;
  servedMs: number | null = null;
  private acts = 0;
  private deposedMs: number | null = null;
  private role: Role;
  private readonly scenario: Scenario;
  private readonly later: (() => void)[] = [];

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    const { supervised: isSupervised, old } = scenario;
    const role = firstRole('looking', { isSupervised, standbysMost: 1, deadAfterMs });
    this.role = { ...role, state: old === 'dead' ? 'reconnecting' : 'standby' };
  }

  /** How it ended. */
  get end(): string {
    if (this.role.state === 'primary') return 'serves';
    expect(this.role.state).toBe('looking');
    return this.done.includes('retire') ? 'gives way' : 'goes back';
  }

  run(): void {
    const { scenario } = this;
    this.observe(
      scenario.old === 'dead'
        ? { what: 'refused', isHere: true }
        : { what: 'silence', ms: deadAfterMs, awakeMs: deadAfterMs, isAsking: true },
    );
    while (this.later.length > 0) this.later.shift()!();
  }

  /** Time passes before each act: that of a stop, where there is one. */
  private act(): void {
    const { stopAt, stopMs, old } = this.scenario;
    this.nowMs += this.acts++ === stopAt ? stopMs : 0.01;
    // It waits for the lease, and then acknowledges alone, unless it has heard that another reigns.
    if (old === 'dead' || this.deposedMs !== null || this.nowMs < leaseMs) return;
    this.wentOnMs ??= Math.max(leaseMs, 0);
  }

  /**
   * A node without its parts. Nothing passes between the look at the clock and the act behind it: a stop before the
   * look is seen by it.
   */
  private observe(seen: Observation): void {
    this.act();
    const { role, actions } = decide(this.role, seen, leaseMs - this.nowMs);
    this.role = role;
    this.states.push(role.state);
    for (const action of actions) this.carryOut(action);
  }

  private carryOut(action: Action): void {
    const { scenario } = this;
    switch (action) {
      case 'revoke':
        this.observe({ what: 'revoked' });
        return;
      case 'endOld': {
        this.act();
        const inTime = this.nowMs < leaseMs;
        if (inTime) this.deposedMs = this.nowMs;
        this.later.push(() => this.observe({ what: inTime ? 'oldEnded' : 'oldLives' }));
        return;
      }
      case 'depose':
        this.act();
        // A primary that has gone on has closed the connection, and its standby's word deposes it no more.
        if (scenario.old === 'reachable' && this.wentOnMs === null) this.deposedMs = this.nowMs;
        return;
      case 'reportDead':
        this.observe({ what: 'told' });
        return;
      case 'bind':
        if (this.bindAttempts++ < scenario.refusals) {
          this.observe({ what: 'bindFailed' });
          return;
        }
        this.observe({ what: 'bound' });
        return;
      case 'serve':
        this.servedMs = this.nowMs;
        return;
      case 'bindLater':
        this.later.push(() => this.observe({ what: 'paused' }));
        return;
      case 'ask':
        this.act();
        this.ask();
        return;
      case 'announce':
        this.act();
        // A primary that is behind a cut does not hear it; one that went on says so when it is asked.
        if (scenario.old === 'reachable' && this.wentOnMs === null) this.deposedMs ??= this.nowMs;
        this.observe({ what: 'announced' });
        return;
      case 'awaitOld':
        // The same process comes once it has stepped down for this reign; nobody else has its name.
        this.later.push(() => {
          this.act();
          this.observe({ what: this.deposedMs === null ? 'paused' : 'oldYields' });
        });
        return;
      default:
        this.done.push(action);
    }
  }

  private ask(): void {
    if (this.scenario.old === 'reachable' && this.wentOnMs !== null) {
      this.observe({ what: 'outranked' });
      return;
    }
    if (this.scenario.old === 'reachable') this.deposedMs ??= this.nowMs;
    this.later.push(() => this.observe({ what: 'answered' }));
  }

  /** True when the old primary has stepped down for this reign. */
  get isYielded(): boolean {
    return this.deposedMs !== null;
  }

  private bindAttempts = 0;
}

const scenarios = fc.record({
  old: fc.constantFrom<Old[]>('reachable', 'cut', 'dead'),
  stopAt: fc.integer({ min: 0, max: 12 }),
  stopMs: fc.integer({ min: 0, max: 3000 }),
  refusals: fc.integer({ min: 0, max: 4 }),
  supervised: fc.boolean(),
});

function play(scenario: Scenario): World {
  const world = new World(scenario);
  world.run();
  return world;
}

describe('a takeover that stands still anywhere', () => {
  test('does not serve beside an old primary that went on and can be heard', () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const world = play({ ...scenario, old: 'reachable' });
        if (world.wentOnMs !== null) expect(world.servedMs).toBe(null);
      }),
      { numRuns: 2000 },
    );
  });

  // An old primary that went on and then died took acknowledged writes with it that this copy lacks.
  test('does not serve when it stood still before it announced its reign, unless the old primary yields', () => {
    let gaveUp = 0;
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const world = play({ ...scenario, supervised: false });
        if (!world.states.includes('waiting') || world.isYielded) return;
        expect(world.servedMs).toBe(null);
        gaveUp++;
      }),
      { numRuns: 2000 },
    );
    expect(gaveUp).toBeGreaterThan(50);
  });

  test('serves, or gives way, or comes too late: it never ends in between', () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        expect(['serves', 'goes back', 'gives way']).toContain(play(scenario).end);
      }),
      { numRuns: 2000 },
    );
  });

  test('serves whatever it stands still for once its old primary has ended within the lease', () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        // The first look at the lease says whether it ended within it.
        const { end, states } = play({ ...scenario, old: 'dead', stopAt: scenario.stopAt + 1 });
        expect(end).toBe('serves');
        expect([...new Set(states)]).toEqual(['fencing', 'binding', 'primary']);
      }),
    );
  });

  test('that is not stopped serves behind a cut: nobody can tell a cut from a death', () => {
    const world = play({ old: 'cut', stopAt: -1, stopMs: 0, refusals: 0, supervised: false });
    expect(world.states).toEqual(['fencing', 'binding', 'binding', 'binding', 'primary']);
  });

  // L3: 30 of 30 deposed a living primary that had acknowledged alone meanwhile.
  test.each([0, 1])(
    'before its look number %i at the lease, with its act behind it: it goes back',
    (stopAt) => {
      const stopped = { stopAt, stopMs: 2500, refusals: 0, supervised: false };
      const world = play({ old: 'reachable', ...stopped });
      expect(world.end).toBe('goes back');
      expect(world.states).not.toContain('binding');
    },
  );

  // L2: it ended after ten seconds, and the old primary with it.
  test('tries an address that is taken for as long as it takes', () => {
    const patient = { stopAt: -1, stopMs: 0, refusals: 5000, supervised: false };
    const { end, states } = play({ old: 'reachable', ...patient });
    expect(end).toBe('serves');
    expect(states.filter((state) => state === 'looking')).toEqual([]);
  });
});
