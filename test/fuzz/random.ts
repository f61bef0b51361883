/** Random numbers from a seed: the same seed gives the same numbers, on any machine (mulberry32). */

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  /** From `low` to `high`, both possible. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** `length` bytes, each possible, as latin1: a stretch of one fixed random text. */
  bytes(length: number): string {
    const at = this.below(POOL_BYTES);
    return pool.repeat(Math.ceil((at + length) / POOL_BYTES)).slice(at, at + length);
  }
}

const POOL_BYTES = 65_536;
const pool = poolOf(new Random(1));

function poolOf(random: Random): string {
  return String.fromCharCode(...Array.from({ length: POOL_BYTES }, () => random.below(256)));
}
