/** One line an event, on stderr, with the time and who speaks: what an operator reads at three in the morning. */

export interface Log {
  /** Always printed. */
  say(text: string): void;
  /** Printed with -v. */
  detail(text: string): void;
}

/** `name` stands in every line; several nodes may share a terminal. */
export function logger(name: string, verbosity: number): Log {
  const print = (text: string): void => {
    process.stderr.write(`${new Date().toISOString()} ${name}: ${text}\n`);
  };
  return { say: print, detail: verbosity > 0 ? print : () => {} };
}
