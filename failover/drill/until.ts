/** Waits for a condition, with a deadline; the error names what did not come. */
import { HotspareError } from '../../src/base/errors.js';

const lookMs = 1;

/** Resolves once the condition holds. Throws HotspareError DRILL after `withinMs`. */
export async function until(
  what: string,
  condition: () => boolean,
  withinMs: number,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline)
      throw new HotspareError('DRILL', late(what, withinMs), remedy);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

const remedy = 'repeat it with -v and the same --seed to see what the nodes say';

function late(what: string, withinMs: number): string {
  return `the drill waited ${withinMs / 1000} s in vain for ${what}`;
}
