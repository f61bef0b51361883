/** How long batches waited for their ack: a histogram of all, and the last million of them one by one. In ns. */
import { Histogram } from '../../src/base/histogram.js';
import { latenciesKept } from '../../src/base/limits.js';

const nsMost = 2 ** 32 - 1;

export class Latencies {
  private readonly histogram = new Histogram();
  /** A ring; made with the first latency, as a server without a standby needs none. */
  private last: Uint32Array | null = null;
  private count = 0;
  private longest = 0;

  add(ms: number): void {
    this.last ??= new Uint32Array(latenciesKept);
    const ns = Math.min(Math.max(ms * 1e6, 0), nsMost) >>> 0;
    this.last[this.count % latenciesKept] = ns;
    this.count++;
    if (ns > this.longest) this.longest = ns;
    this.histogram.add(ns, 1);
  }

  /** Rows of `stats mirror`, in microseconds. */
  rows(): [string, string | number][] {
    const us = (ns: number): string => (ns / 1000).toFixed(1);
    return [
      ['ack_us_p50', us(this.histogram.quantile(0.5))],
      ['ack_us_p99', us(this.histogram.quantile(0.99))],
      ['ack_us_p999', us(this.histogram.quantile(0.999))],
      ['ack_us_max', us(this.longest)],
    ];
  }

  /** The newest, oldest first, in ns: a copy. */
  newest(): Uint32Array {
    const { last, count } = this;
    if (last === null) return new Uint32Array(0);
    if (count <= latenciesKept) return last.slice(0, count);
    const newest = new Uint32Array(latenciesKept);
    const oldest = count % latenciesKept;
    newest.set(last.subarray(oldest));
    newest.set(last.subarray(0, oldest), latenciesKept - oldest);
    return newest;
  }
}
