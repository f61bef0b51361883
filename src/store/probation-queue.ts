/**
 * The newest items of a class, by age: a ring of refs that grows with the class, up to a limit. When it is full its
 * oldest ref is dropped, and that item is treated as one in main.
 */
import { probationItemsMost } from '../base/limits.js';

const ringLeast = 64;

export class ProbationQueue {
  private ring = new Int32Array(ringLeast);
  private first = 0;
  private end = 0;

  get length(): number {
    return this.end - this.first;
  }

  /** Adds the newest item. The ring has at least `wanted` places, and at most the limit. */
  push(ref: number, wanted: number): void {
    if (this.length === this.ring.length) {
      const grows = this.ring.length < wanted && this.ring.length < 2 * probationItemsMost;
      if (grows) this.grow();
      else this.first++;
    }
    this.ring[this.end++ & (this.ring.length - 1)] = ref;
  }

  /** The oldest item; the ring must not be empty. */
  oldest(): number {
    return this.ring[this.first & (this.ring.length - 1)]!;
  }

  /** Takes the oldest item; the ring must not be empty. */
  shift(): number {
    return this.ring[this.first++ & (this.ring.length - 1)]!;
  }

  private grow(): void {
    const larger = new Int32Array(this.ring.length * 2);
    const count = this.length;
    for (let i = 0; i < count; i++)
      larger[i] = this.ring[(this.first + i) & (this.ring.length - 1)]!;
    this.ring = larger;
    this.first = 0;
    this.end = count;
  }
}
