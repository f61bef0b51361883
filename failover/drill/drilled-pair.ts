/**
 * The pair of a drill, and the fault: starts the pair, follows the roles of its nodes by their reports, kills or stops
 * the primary, and says when the standby noticed.
 */

import { HotspareError } from '../../src/base/errors.js';
import { monotonicMs } from '../../src/native/clock.js';
import { machine } from '../../src/native/ports.js';
import type { Log } from '../../src/process/log.js';
import { Pair } from '../pair.js';
import type { Report } from '../report.js';
import { until } from './until.js';

export interface DrilledPairOptions {
  /** node's arguments before hotspare's own. */
  readonly program: readonly string[];
  readonly flags: readonly string[];
  readonly primaryFlags: readonly string[];
  /** How many standbys the primary has. */
  readonly standbys: number;
  readonly linkHost: string;
  readonly log: Log;
  /** Takes what the nodes print. */
  readonly onOutput: (text: string) => void;
}

export type Fault = 'kill' | 'hang';

/** The takeover after a fault; times of CLOCK_BOOTTIME in ms. */
export interface Takeover {
  readonly faultMs: number;
  readonly deadMs: number;
  readonly servingMs: number;
  readonly epochBefore: number;
  readonly epochAfter: number;
}

const startMs = 60_000;
const takeoverMs = 60_000;

export class DrilledPair {
  private readonly pair: Pair;
  private readonly standbys: number;
  private readonly reports: Report[] = [];
  private gone: string | null = null;
  /** The standbys that the primary counts in sync, by their random names. */
  private readonly attached = new Set<string>();
  /** The standby has found the primary dead, and does not serve yet. */
  private dying = false;
  private epoch = 0;
  /** How many times the standby took over although the drill had not touched the primary. */
  unplanned = 0;
  private planned = false;

  constructor(options: DrilledPairOptions) {
    this.standbys = options.standbys;
    this.pair = new Pair({
      ...options,
      ports: machine,
      onReport: (report) => this.heard(report),
      onEnd: (reason) => {
        this.gone = reason;
      },
    });
  }

  /** Resolves when the primary serves. */
  async start(): Promise<void> {
    this.pair.start();
    await this.until('the primary to serve', () => this.epoch > 0, startMs);
  }

  /** Resolves when the copies of all standbys are whole, and all nodes say so. */
  async inSync(withinMs: number): Promise<void> {
    await this.until('the standbys to be in sync', () => this.isInSync, withinMs);
  }

  private get isInSync(): boolean {
    const ready = this.pair.standbys.filter((standby) => standby.ready);
    return !this.dying && Math.min(this.attached.size, ready.length) >= this.standbys;
  }

  /** Breaks the primary, whose standby is in sync; resolves when the standby serves. */
  async break(fault: Fault): Promise<Takeover> {
    const primary = this.pair.primary!;
    const epochBefore = this.epoch;
    this.reports.length = 0;
    this.attached.clear();
    this.planned = true;
    const faultMs = monotonicMs();
    primary.process.kill(fault === 'kill' ? 'SIGKILL' : 'SIGSTOP');
    const serves = (): boolean => this.find('serving') !== undefined;
    await this.until('the standby to take over', serves, takeoverMs);
    return {
      faultMs,
      deadMs: this.find('dead')!.atMs,
      servingMs: this.find('serving')!.atMs,
      epochBefore,
      epochAfter: this.epoch,
    };
  }

  async end(): Promise<void> {
    await this.pair.end();
  }

  private heard(report: Report): void {
    this.reports.push(report);
    if (report.event === 'serving') {
      if (this.epoch > 0 && !this.planned) this.unplanned++;
      this.epoch = report.epoch;
      this.planned = false;
      this.attached.clear();
      this.dying = false;
    }
    if (report.event === 'dead') this.dying = true;
    if (report.event === 'attached') this.attached.add(report.node);
    if (report.event === 'detached') this.attached.delete(report.node);
  }

  private find(event: Report['event']): Report | undefined {
    return this.reports.find((report) => report.event === event);
  }

  private until(what: string, condition: () => boolean, withinMs: number): Promise<void> {
    return until(
      what,
      () => {
        if (this.gone !== null) {
          throw new HotspareError('DRILL', this.gone, 'see what the nodes said');
        }
        return condition();
      },
      withinMs,
    );
  }
}
