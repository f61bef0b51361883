/**
 * A takeover that stands still. The process may stop between any two acts for any time; the old primary lives, waits
 * for as long as its standby's lease is, and then goes on alone. Never may both have answered: a history of acts on one
 * clock, with a stop of any length before any of them.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Takeover, type TakeoverParts } from '../../failover/takeover.js';
import { HotspareError } from '../../src/base/errors.js';

const leaseMs = 500;
const taken = new HotspareError('LISTEN', 'taken', 'stop it');

/** How the old primary can be reached. */
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
  readonly events: string[] = [];
  /** When the old primary answered alone; null: never. */
  wentOnMs: number | null = null;
  servedMs: number | null = null;
  private acts = 0;
  private deposedMs: number | null = null;
  private readonly scenario: Scenario;
  private readonly later: (() => void)[] = [];

  constructor(scenario: Scenario) {
    this.scenario = scenario;
  }

  run(): void {
    const { scenario } = this;
    const takeover: Takeover = new Takeover(
      this.parts(() => takeover),
      scenario.old === 'dead',
    );
    takeover.fence();
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

  private parts(takeover: () => Takeover): TakeoverParts {
    const { scenario } = this;
    return {
      // Nothing passes between the look at the clock and the act behind it: a stop before the look is seen by it.
      holdsLease: () => {
        this.act();
        return this.nowMs < leaseMs;
      },
      revoke: () => {},
      endOld: scenario.supervised
        ? (ended) => {
            this.act();
            const inTime = this.nowMs < leaseMs;
            if (inTime) this.deposedMs = this.nowMs;
            this.later.push(() => ended(inTime));
          }
        : null,
      promote: () => {},
      tell: () => {
        this.act();
        // A primary that has gone on has closed the connection, and its standby's word deposes it no more.
        if (scenario.old === 'reachable' && this.wentOnMs === null) this.deposedMs = this.nowMs;
      },
      serve: () => {
        if (this.bindAttempts++ < scenario.refusals) return taken;
        this.servedMs = this.nowMs;
        return null;
      },
      ask: (answered) => {
        this.act();
        // It went on, and says so: this node must give way.
        if (scenario.old === 'reachable' && this.wentOnMs !== null) {
          takeover().end();
          this.events.push('outranked');
        } else {
          if (scenario.old === 'reachable') this.deposedMs ??= this.nowMs;
          this.later.push(answered);
        }
      },
      waits: () => {},
      after: (_, then) => {
        this.later.push(() => {
          this.act();
          then();
        });
      },
      on: (event) => {
        this.events.push(event);
        if (event === 'fenced') takeover().promote();
      },
    };
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

  test('serves, or gives way, or comes too late: it never ends in between', () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        expect(['bound', 'late', 'outranked']).toContain(play(scenario).events.at(-1));
      }),
      { numRuns: 2000 },
    );
  });

  test('serves whatever it stands still for once its old primary has ended within the lease', () => {
    fc.assert(
      fc.property(scenarios, (scenario) => {
        // The first look at the lease says whether it ended within it.
        const { events } = play({ ...scenario, old: 'dead', stopAt: scenario.stopAt + 1 });
        expect(events).toEqual(['fenced', 'bound']);
      }),
    );
  });

  test('that is not stopped serves behind a cut: nobody can tell a cut from a death', () => {
    const { events } = play({ old: 'cut', stopAt: -1, stopMs: 0, refusals: 0, supervised: false });
    expect(events).toEqual(['fenced', 'bound']);
  });

  // L3: 30 of 30 deposed a living primary that had acknowledged alone meanwhile.
  test('between its verdict and its first act: it goes back', () => {
    const stopped = { stopAt: 0, stopMs: 2500, refusals: 0, supervised: false };
    expect(play({ old: 'reachable', ...stopped }).events).toEqual(['late']);
  });

  // L2: it ended after ten seconds, and the old primary with it.
  test('tries an address that is taken for as long as it takes', () => {
    const patient = { stopAt: -1, stopMs: 0, refusals: 5000, supervised: false };
    expect(play({ old: 'reachable', ...patient }).events).toEqual(['fenced', 'bound']);
  });
});
