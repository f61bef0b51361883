/**
 * The supervisor of a pair whose nodes are simulated: the table of the real one (failover/supervision.ts), carried
 * out on simulated processes. A service manager starts the pair again when all nodes are gone.
 */
import type { Random } from '../../failover/drill/random.js';
import type { Fenced, Notice, Report, WithoutTime } from '../../failover/report.js';
import {
  firstPair,
  type MemberName,
  observationOf,
  type PairAction,
  type PairObservation,
  type PairState,
  supervise,
} from '../../failover/supervision.js';
import { addressText } from '../../src/flags/settings.js';
import { Process, type Scheduler } from './scheduler.js';
import type { Slot } from './slot.js';

/** Longest way of a report, a notice, and the news of a process's end. */
const newsMs = 3;
const serviceRestartMs = 100;

export interface SimSupervisorParts {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly slots: ReadonlyMap<MemberName, Slot>;
  trace(line: string): void;
}

export class SimSupervisor {
  /** The supervisor's own process, which may stand still. */
  readonly process: Process;
  private readonly parts: SimSupervisorParts;
  private state: PairState;
  private readonly processes = new Map<MemberName, Process>();
  /** The epoch of each node that has served. */
  private readonly epochs = new Map<MemberName, number>();
  /** When the newest news between the supervisor and a process arrives: none overtakes another. */
  private readonly arrivalMs = new Map<Process, number>();
  /** Takes the answer to a node that has asked to end the other one. */
  private readonly asking = new Map<Process, (fenced: Fenced) => void>();

  constructor(parts: SimSupervisorParts) {
    this.parts = parts;
    this.process = new Process(parts.scheduler, 1, 0);
    this.state = firstPair(parts.slots.size - 1);
  }

  start(): void {
    this.state = firstPair(this.parts.slots.size - 1);
    this.observe({ what: 'begun' });
  }

  /** A node reports something. */
  heard(slot: Slot, report: WithoutTime<Report>): void {
    const { process } = slot;
    const of = slot.name as MemberName;
    this.afterNews(process, this.process, () => {
      if (this.processes.get(of) !== process) return;
      if (report.event === 'serving') this.epochs.set(of, report.epoch);
      const seen = observationOf(of, report, this.parts.scheduler.nowMs);
      if (seen !== null) this.observe(seen);
    });
  }

  /** A standby asks to end its primary. `leftMs`: for how long its lease still lasts. */
  fence(slot: Slot, leftMs: number): Promise<Fenced> {
    const untilMs = this.parts.scheduler.nowMs + leftMs;
    return new Promise((resolve) => {
      this.asking.set(slot.process, resolve);
      this.heard(slot, { event: 'fence', untilMs });
    });
  }

  /** A node's process has ended. */
  exited(slot: Slot): void {
    const { scheduler, random } = this.parts;
    const { process } = slot;
    const of = slot.name as MemberName;
    // The kernel tells of an end on another way than that of the reports, some of which may be read later.
    const told = (): void => {
      this.processes.delete(of);
      this.asking.delete(process);
      this.observe({ what: 'exited', of, reason: 'killed', status: 1, nowMs: scheduler.nowMs });
    };
    scheduler.after(random.next() * newsMs, told, this.process);
  }

  private observe(seen: PairObservation): void {
    const { pair, actions } = supervise(this.state, seen);
    this.state = pair;
    for (const action of actions) this.carryOut(action);
  }

  private carryOut(action: PairAction): void {
    const { scheduler, trace } = this.parts;
    switch (action.act) {
      case 'startPrimary':
        this.slot(action.name).start();
        this.processes.set(action.name, this.slot(action.name).process);
        return;
      case 'startStandby':
        this.slot(action.name).start(this.slot(action.of).link);
        this.processes.set(action.name, this.slot(action.name).process);
        return;
      case 'kill':
      case 'end':
        this.slot(action.name).kill(false);
        return;
      case 'notify':
        this.notify(action.name, action.notice);
        return;
      case 'lead': {
        const { host, port } = this.slot(action.to).link;
        const epoch = this.epochs.get(action.to)!;
        this.notify(action.name, { reigns: { epoch, link: addressText(host, port) } });
        return;
      }
      case 'later': {
        const { seen } = action;
        const of = 'of' in seen ? seen.of : null;
        const process = of === null ? undefined : this.processes.get(of);
        this.process.timers.after(action.ms, () => {
          if (of === null || this.processes.get(of) === process) this.observe(seen);
        });
        return;
      }
      case 'say':
        trace(`supervisor: ${action.text}`);
        return;
      default:
        trace(`supervisor: ${action.reason}`);
        scheduler.after(serviceRestartMs, () => this.start());
    }
  }

  private notify(name: MemberName, notice: Notice): void {
    const slot = this.slot(name);
    const { process } = slot;
    this.afterNews(process, process, () => {
      if (notice.standbyDead !== undefined) slot.node?.standbyIsDead(notice.standbyDead);
      if (notice.reigns !== undefined) {
        slot.node?.reignsElsewhere(notice.reigns.epoch, notice.reigns.link);
      }
      if (notice.fenced !== undefined) this.asking.get(process)?.(notice.fenced);
    });
  }

  private slot(name: MemberName): Slot {
    return this.parts.slots.get(name)!;
  }

  /** Runs when news of a process, or for it, has arrived at `reader`. */
  private afterNews(process: Process, reader: Process, run: () => void): void {
    const { scheduler, random } = this.parts;
    const atMs = Math.max(
      scheduler.nowMs + random.next() * newsMs,
      this.arrivalMs.get(process) ?? 0,
    );
    this.arrivalMs.set(process, atMs);
    scheduler.after(atMs - scheduler.nowMs, run, reader);
  }
}
