/**
 * The log: one line an event, on stderr, with the time and the node's name, for an operator at three in the morning. A
 * thread of the addon writes the lines, so that a stderr that cannot be written ends no process and makes none wait
 * (docs/decisions/log-writer.md).
 */
import { lastWordsMs } from '../base/limits.js';
import { native } from '../native/addon.js';

export interface Log {
  /** Always printed. */
  say(text: string): void;
  /** Printed with -v. */
  detail(text: string): void;
}

/** `name` stands in every line, as several nodes may share a terminal. */
export function logger(name: string, verbosity: number): Log {
  const print = (text: string): void => {
    native.logSay(`${new Date().toISOString()} ${name}: `, text);
  };
  return { say: print, detail: verbosity > 0 ? print : () => {} };
}

/** Writes a line for the user or the supervisor who started this program, without the time. */
export function tell(line: string): void {
  native.logSay('', line.replace(/\n$/, ''));
}

/** Writes text to stdout; text for a reader that has gone away is dropped. */
export function print(text: string): void {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {});
  try {
    process.stdout.write(text);
  } catch {
    // A full disk is reported by this exception, not by an event.
  }
}

/** From here on a process that ends waits a moment for its last lines to be written. */
export function keepLastWords(): void {
  process.on('exit', () => native.logFlush(lastWordsMs));
}

/**
 * Takes over the lines that Node itself would write to stderr, warnings and the error that ends the process: Node's own
 * way waits for the reader.
 */
export function sayWhatNodeSays(): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => tell(`hotspare: ${warning.name}: ${warning.message}`));
  process.on('uncaughtException', (error: unknown) => {
    tell(error instanceof Error ? (error.stack ?? String(error)) : String(error));
    process.exit(1);
  });
}
