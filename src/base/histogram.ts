/**
 * Latencies, counted in buckets that are at most 1/128 wide. The unit is the caller's: microseconds in bench/, up to an
 * hour; nanoseconds in the mirror, up to four seconds.
 *
 *      value < 256: a bucket each; above, every power of two is cut into 128 buckets
 */

const exactBits = 8;
const half = 2 ** (exactBits - 1);
const valueMost = 2 ** 32 - 1;

export class Histogram {
  private readonly counts = new Float64Array(indexOf(valueMost) + 1);
  private total = 0;

  add(latency: number, count: number): void {
    const value = Math.min(Math.max(latency, 0), valueMost) >>> 0;
    this.counts[indexOf(value)]! += count;
    this.total += count;
  }

  /** The latency that this share (0 … 1) of all does not exceed. */
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

  /** Every bucket that holds something: the largest value of it, and how many. */
  *buckets(): Generator<readonly [value: number, count: number]> {
    for (let index = 0; index < this.counts.length; index++) {
      if (this.counts[index]! > 0) yield [valueAt(index), this.counts[index]!];
    }
  }
}

function indexOf(value: number): number {
  const shift = Math.max(0, 32 - Math.clz32(value) - exactBits);
  return shift * half + (value >>> shift);
}

/** The largest value of a bucket. */
function valueAt(index: number): number {
  const shift = Math.max(0, Math.floor(index / half) - 1);
  return (index - shift * half + 1) * 2 ** shift - 1;
}
