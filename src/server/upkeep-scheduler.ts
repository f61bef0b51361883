/**
 * Gives the store's upkeep its turns: a slice between two ticks, at once while a region is being adopted, after a pause
 * while there is other work, and seldom when there is none. Changes of a slice are committed like those of a tick, so
 * that all changes are in one order. While the mirror is congested no slice runs.
 */

import { upkeepIdleMs, upkeepPauseMs } from '../base/limits.js';
import type { Executor } from '../commands/execute.js';
import type { Ports, Timer } from '../native/ports.js';
import type { Mirror } from '../store/mirror.js';
import { Pace } from '../store/upkeep.js';
import type { CacheClock } from './cache-clock.js';

/** The parts of the server that the upkeep works with. */
export interface UpkeepContext {
  readonly executor: Executor;
  /** The current mirror. */
  readonly mirror: Mirror;
  readonly cacheClock: CacheClock;
  readonly ports: Pick<Ports, 'clock' | 'timers'>;
}

export class UpkeepScheduler {
  /** The longest slice so far, in ms. */
  longestMs = 0;
  private readonly context: UpkeepContext;
  private timer: Timer | null = null;
  private pace: number = Pace.NOW;
  private stopped = false;

  constructor(context: UpkeepContext) {
    this.context = context;
  }

  start(): void {
    this.schedule(Pace.NOW);
  }

  /** Stops for good, as the region may then be unmapped. */
  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** Tells of work that the last slice did not know of. */
  wake(): void {
    if (this.stopped || this.pace !== Pace.LATER) return;
    this.cancel();
    this.schedule(Pace.SOON);
  }

  private turn(): void {
    const { mirror, executor, cacheClock, ports } = this.context;
    const { store, upkeep } = executor;
    if (mirror.congested) {
      this.schedule(Pace.SOON);
      return;
    }
    const begun = ports.clock();
    store.tick(cacheClock.at(begun));
    const pace = upkeep.work();
    const { journal } = store.region;
    if (journal.count > 0) mirror.commit(journal, begun);
    this.longestMs = Math.max(this.longestMs, ports.clock() - begun);
    this.schedule(pace);
  }

  private schedule(pace: number): void {
    // The commit of the slice may have found that this node is deposed, and so have stopped the background.
    if (this.stopped) return;
    this.pace = pace;
    const { timers } = this.context.ports;
    if (pace === Pace.NOW) {
      this.timer = timers.soon(() => this.turn());
      return;
    }
    const { upkeep, administration } = this.context.executor;
    const sleepMs = upkeep.crawler.isRunning ? administration.crawlerSleepMicros / 1000 : 0;
    const soon = Math.max(upkeepPauseMs, sleepMs);
    const pauseMs = pace === Pace.SOON ? soon : upkeepIdleMs;
    this.timer = timers.after(pauseMs, () => this.turn(), false);
  }

  private cancel(): void {
    this.timer?.cancel();
  }
}
