/**
 * Gives the store's upkeep its turns: a slice between two ticks, at once while a region is being adopted, after a pause
 * while there is other work, and now and then when there is none. What a slice has changed is committed like a tick, so
 * all changes are in one order. While the mirror is congested nothing is done.
 */

import { upkeepIdleMs, upkeepPauseMs } from '../base/limits.js';
import type { Executor } from '../commands/execute.js';
import type { Ports, Timer } from '../native/ports.js';
import type { Mirror } from '../store/mirror.js';
import { Pace } from '../store/upkeep.js';
import type { Timeline } from './timeline.js';

/** What the server lends. */
export interface Ground {
  readonly executor: Executor;
  /** The mirror of now. */
  readonly mirror: Mirror;
  readonly timeline: Timeline;
  readonly ports: Pick<Ports, 'clock' | 'timers'>;
}

export class Background {
  /** The longest slice so far, in ms. */
  longestMs = 0;
  private readonly ground: Ground;
  private timer: Timer | null = null;
  private pace: number = Pace.NOW;
  private stopped = false;

  constructor(ground: Ground) {
    this.ground = ground;
  }

  start(): void {
    this.schedule(Pace.NOW);
  }

  /** For good: the region may be unmapped. */
  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** There is work that the last slice did not know of. */
  wake(): void {
    if (this.stopped || this.pace !== Pace.LATER) return;
    this.cancel();
    this.schedule(Pace.SOON);
  }

  private turn(): void {
    const { mirror, executor, timeline, ports } = this.ground;
    const { store, upkeep } = executor;
    if (mirror.congested) {
      this.schedule(Pace.SOON);
      return;
    }
    const begun = ports.clock();
    store.tick(timeline.at(begun));
    const pace = upkeep.work();
    const { journal } = store.region;
    if (journal.count > 0) mirror.commit(journal, begun);
    this.longestMs = Math.max(this.longestMs, ports.clock() - begun);
    this.schedule(pace);
  }

  private schedule(pace: number): void {
    // A commit may have found that this node is deposed.
    if (this.stopped) return;
    this.pace = pace;
    const { timers } = this.ground.ports;
    if (pace === Pace.NOW) {
      this.timer = timers.soon(() => this.turn());
      return;
    }
    const { upkeep, administration } = this.ground.executor;
    const sleepMs = upkeep.crawler.isRunning ? administration.crawlerSleepMicros / 1000 : 0;
    const soon = Math.max(upkeepPauseMs, sleepMs);
    const pauseMs = pace === Pace.SOON ? soon : upkeepIdleMs;
    this.timer = timers.after(pauseMs, () => this.turn(), false);
  }

  private cancel(): void {
    this.timer?.cancel();
  }
}
