/**
 * Latencies in microseconds, counted in buckets that are at most 1/128 wide, up to about a minute.
 *
 *      value < 256: a bucket each; above, every power of two is cut into 128 buckets
 */

const exactBits = 8;
const half = 2 ** (exactBits - 1);
const valueMost = 2 ** 26 - 1;

export class Histogram {
  private readonly counts = new Float64Array(indexOf(valueMost) + 1);
  private total = 0;

  add(microseconds: number, count: number): void {
    const value = Math.min(Math.max(microseconds | 0, 0), valueMost);
    this.counts[indexOf(value)]! += count;
    this.total += count;
  }

  /** The latency that this share (0 … 1) of all does not exceed, in microseconds. */
  quantile(share: number): number {
    const rank = this.total * share;
    let seen = 0;
    for (let index = 0; index < this.counts.length; index++) {
      seen += this.counts[index]!;
      if (seen >= rank && seen > 0) return valueAt(index);
    }
    return 0;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
  }
}

function indexOf(value: number): number {
  const shift = Math.max(0, 32 - Math.clz32(value) - exactBits);
  return shift * half + (value >>> shift);
}

/** The largest value of a bucket. */
function valueAt(index: number): number {
  const shift = Math.max(0, Math.floor(index / half) - 1);
  return ((index - shift * half + 1) << shift) - 1;
}
