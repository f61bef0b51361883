/**
 * Virtual time. Events run one after another, in the order of their times, and for equal times in the order in which
 * they were made. An event may belong to a process: while the process stands still its events wait, and they end with
 * it.
 */
import type { Timer, Timers } from '../../src/native/ports.js';

export interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  readonly owner: Process | null;
  cancelled: boolean;
}

/** Most events of a history; one has a tenth of this. */
const eventsMost = 3_000_000;

export class Scheduler {
  nowMs = 0;
  /** Events that have run. */
  events = 0;
  private readonly heap: Event[] = [];
  private orders = 0;

  /** Runs an event that its process had put off now, unless it was cancelled meanwhile. */
  again(event: Event): void {
    const { run, owner } = event;
    const later = this.after(0, () => !event.cancelled && run(), owner);
    if (event.cancelled) later.cancel();
  }

  /** Runs once, `ms` from now. */
  after(ms: number, run: () => void, owner: Process | null = null): Timer {
    const event = { atMs: this.nowMs + ms, order: this.orders++, run, owner, cancelled: false };
    this.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs due events until `untilMs`, or until `done` returns true; resolved promises go on between two events. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      if (next.cancelled) continue;
      this.nowMs = next.atMs;
      const { owner } = next;
      if (owner !== null && !owner.takes(next)) continue;
      if (++this.events > eventsMost) throw new Error(`no end after ${eventsMost} events`);
      next.run();
      await null;
      if (done()) return;
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

/** A process: it has a clock of its own, can stand still, and ends. */
export class Process {
  readonly timers: Timers;
  ended = false;
  private readonly scheduler: Scheduler;
  private readonly rate: number;
  private readonly beganMs: number;
  private pausedUntil = 0;
  /** How far this process is behind in the midst of the running event. */
  private lag = 0;
  private stall: { looks: number; readonly forMs: number } | null = null;
  private backlog: Event[] = [];
  /** Timers that are due before this time come late. */
  private timersAtMs = 0;

  /** `rate`: milliseconds of its clock in one of true time; `beganMs`: its clock's time at the beginning. */
  constructor(scheduler: Scheduler, rate: number, beganMs: number) {
    this.scheduler = scheduler;
    this.rate = rate;
    this.beganMs = beganMs;
    this.timers = {
      after: (ms, run) => this.after(ms, run),
      every: (ms, run) => this.every(ms, run),
      soon: (run) => scheduler.after(0, run, this),
    };
  }

  get isPaused(): boolean {
    return this.pausedUntil > 0;
  }

  clock(): number {
    const { stall } = this;
    if (stall !== null && --stall.looks < 0) {
      this.stall = null;
      this.standStill(stall.forMs);
    }
    return this.beganMs + (this.scheduler.nowMs + this.lag) * this.rate;
  }

  /** How late the acts of the running event are, as the process stood still in its midst. */
  get lagMs(): number {
    return this.lag;
  }

  /** Stands still for `forMs` right before it reads its clock for the `looks`-th time from now. */
  stallAfter(looks: number, forMs: number): void {
    this.stall = { looks, forMs };
  }

  /** Timers that are due within this time come at its end. */
  delayTimers(forMs: number): void {
    this.timersAtMs = Math.max(this.timersAtMs, this.scheduler.nowMs + forMs);
  }

  /** Carries out an act of the process on the world: late, if the process stood still before. */
  act(run: () => void): void {
    if (this.lag === 0) run();
    else this.scheduler.after(this.lag, run);
  }

  /** Stands still; events that are due meanwhile run afterwards. */
  pause(forMs: number): void {
    const { scheduler } = this;
    const until = Math.max(this.pausedUntil, scheduler.nowMs + forMs);
    this.pausedUntil = until;
    scheduler.after(until - scheduler.nowMs, () => {
      if (this.pausedUntil === until) this.resume();
    });
  }

  resume(): void {
    this.pausedUntil = 0;
    for (const event of this.backlog.splice(0)) this.scheduler.again(event);
  }

  end(): void {
    this.ended = true;
    this.backlog = [];
  }

  /** False when a due event must not run now. */
  takes(event: Event): boolean {
    if (this.ended) return false;
    if (!this.isPaused) return true;
    this.backlog.push(event);
    return false;
  }

  /** All later acts of this event happen `forMs` later; events that are due meanwhile wait. */
  private standStill(forMs: number): void {
    const { scheduler } = this;
    this.lag += forMs;
    this.pause(this.lag);
    // The event ends before any other begins.
    scheduler.after(0, () => {
      this.lag = 0;
    });
  }

  private after(ms: number, run: () => void): Timer {
    const { scheduler } = this;
    let timer: Timer;
    const turn = (): void => {
      const lateMs = this.timersAtMs - scheduler.nowMs;
      if (lateMs > 0) timer = scheduler.after(lateMs, turn, this);
      else run();
    };
    timer = scheduler.after(Math.max(0, ms) / this.rate, turn, this);
    return { cancel: () => timer.cancel() };
  }

  /** A repeated timer like Node's: the next turn is counted from this one, and missed turns are not made up for. */
  private every(ms: number, run: () => void): Timer {
    let cancelled = false;
    const turn = (): void => {
      if (cancelled) return;
      run();
      if (!cancelled) this.after(ms, turn);
    };
    this.after(ms, turn);
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }
}
