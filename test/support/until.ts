/**
 * Waits for a condition. Tests never sleep for a fixed time: they name the condition and a deadline, and a wait in vain
 * is a failure which names what was missing.
 */

/** SLOWNESS: how many times longer things take here than on a machine of its own; under emulation, 5 or so. */
export const slowness = Number(process.env['SLOWNESS'] ?? 1);

export interface Patience {
  /** Give up after this many milliseconds (default 5000, on a slow machine more). */
  readonly withinMs?: number;
  /** Look again after this many milliseconds (default 10); 0: in the next turn of the loop. */
  readonly everyMs?: number;
}

/**
 * Calls `condition` until it returns anything but undefined, null or false, and returns that. `what` may be a function,
 * which is called only when the wait was in vain, to show the state then.
 */
export async function until<T>(
  what: string | (() => string),
  condition: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  patience: Patience = {},
): Promise<T> {
  const withinMs = patience.withinMs ?? 5000 * slowness;
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== null && found !== false) {
      return found;
    }
    if (performance.now() > deadline) {
      const name = typeof what === 'string' ? what : what();
      throw new Error(`waited ${withinMs} ms in vain for ${name}`);
    }
    await pause(patience.everyMs ?? 10);
  }
}

/** The result of `promise`; after `withinMs` an error that names `what`. */
export function within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`waited ${withinMs} ms in vain for ${what}`)),
      withinMs,
    );
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => (ms === 0 ? setImmediate(resolve) : setTimeout(resolve, ms)));
}
