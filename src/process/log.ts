/**
 * One line an event, on stderr, with the time and who speaks: what an operator reads at three in the morning. A line is
 * handed to a thread of the addon: a stderr that cannot be written ends nobody and makes nobody wait
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

/** `name` stands in every line; several nodes may share a terminal. */
export function logger(name: string, verbosity: number): Log {
  const print = (text: string): void => {
    native.logSay(`${new Date().toISOString()} ${name}: `, text);
  };
  return { say: print, detail: verbosity > 0 ? print : () => {} };
}

/** A line for whoever has started this program: without the time. */
export function tell(line: string): void {
  native.logSay('', line.replace(/\n$/, ''));
}

/** Text for stdout. A reader that has gone away is told nothing more. */
export function print(text: string): void {
  if (process.stdout.listenerCount('error') === 0) process.stdout.on('error', () => {});
  try {
    process.stdout.write(text);
  } catch {
    // A disk that is full says so here, not in an event.
  }
}

/** From here on the process ends with its last words written, when they can be within a moment. */
export function keepLastWords(): void {
  process.on('exit', () => native.logFlush(lastWordsMs));
}

/**
 * What Node itself would write to stderr: warnings, and the error that ends the process. Its own way waits for the
 * reader.
 */
export function sayWhatNodeSays(): void {
  process.removeAllListeners('warning');
  process.on('warning', (warning) => tell(`hotspare: ${warning.name}: ${warning.message}`));
  process.on('uncaughtException', (error: unknown) => {
    tell(error instanceof Error ? (error.stack ?? String(error)) : String(error));
    process.exit(1);
  });
}
