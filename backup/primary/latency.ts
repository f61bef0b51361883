/** How long batches waited for their ack: a histogram of all, and the last of them one by one. In ns. */
import { Histogram } from '../../src/base/histogram.js';
import { latenciesKept } from '../../src/base/limits.js';

const nsMost = 2 ** 32 - 1;

export class Latencies {
  private readonly histogram = new Histogram();
  /** How many of the last are kept one by one; a million by default. */
  private readonly kept: number;
  /** A ring; made with the first latency, as a server without a standby needs none. */
  private last: Uint32Array | null = null;
  private count = 0;
  private longest = 0;

  constructor(kept = latenciesKept) {
    this.kept = kept;
  }

  add(ms: number): void {
    const ns = Math.min(Math.max(ms * 1e6, 0), nsMost) >>> 0;
    if (this.kept > 0) {
      this.last ??= new Uint32Array(this.kept);
      this.last[this.count % this.kept] = ns;
    }
    this.count++;
    if (ns > this.longest) this.longest = ns;
    this.histogram.add(ns, 1);
  }

  /** Rows of `stats mirror`, in microseconds. `prefix`: what their names begin with. */
  rows(prefix = ''): [string, string | number][] {
    const us = (ns: number): string => (ns / 1000).toFixed(1);
    return [
      [`${prefix}ack_us_p50`, us(this.histogram.quantile(0.5))],
      [`${prefix}ack_us_p99`, us(this.histogram.quantile(0.99))],
      [`${prefix}ack_us_p999`, us(this.histogram.quantile(0.999))],
      [`${prefix}ack_us_max`, us(this.longest)],
    ];
  }

  /** The newest, oldest first, in ns: a copy. */
  newest(): Uint32Array {
    const { last, count, kept } = this;
    if (last === null) return new Uint32Array(0);
    if (count <= kept) return last.slice(0, count);
    const newest = new Uint32Array(kept);
    const oldest = count % kept;
    newest.set(last.subarray(oldest));
    newest.set(last.subarray(0, oldest), kept - oldest);
    return newest;
  }
}
