/**
 * Waiting for something to become true. Tests never sleep for a fixed time: they say what they wait for, and
 * until when; a wait that ends without it is a failure which names what was missing.
 */

/** SLOWNESS: how much longer things take here than on a machine of its own; under emulation, 5 or so. */
export const slowness = Number(process.env['SLOWNESS'] ?? 1);

export interface Patience {
  /** Give up after this many milliseconds (default 5000, on a slow machine more). */
  readonly withinMs?: number;
  /** Look again after this many milliseconds (default 10); 0: in the next turn of the loop. */
  readonly everyMs?: number;
}

/**
 * Calls `condition` until it answers something other than undefined, null or false, and gives that back. `what` may be
 * a function: it is asked when the wait was in vain, so that it can show how things stand then.
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

/** `promise`, or an error that names what was waited for after `withinMs`. */
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
