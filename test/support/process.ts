/**
 * Child processes of a test: their output is kept, and they always end. `end` asks with SIGTERM and, when a process
 * does not react, uses SIGKILL, by pid. A process that a test forgot is killed when the test's process ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { slowness, within } from './until.js';

const OUTPUT_CHARACTERS_MAX = 256 * 1024;
/**
 * How long a process may take after SIGTERM. A pair ends its nodes one after the other, and forces each that does not
 * end in 5 s, as Node's own handler of SIGTERM may block for ever in a process that has only just started. A pair that
 * is killed meanwhile would leave such a node behind.
 */
const ASK_MS = 12_000 * slowness;
const KILL_MS = 5000 * slowness;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly pid: number;
  /** The command line, for messages. */
  readonly command: string;
  /** Settles when the process has ended and its output is complete. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Output to stdout and stderr so far; the newest 256 Ki characters. */
  output(): string;
  running(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** Ends the process, at the latest by SIGKILL. Harmless when it has already ended. */
  end(): Promise<Exit>;
}

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) {
    child.kill('SIGKILL');
  }
});

export async function startChild(
  program: string,
  args: readonly string[],
  options: ChildOptions = {},
): Promise<Child> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  alive.add(child);
  let output = '';
  const collect = (text: string) => {
    output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
  };
  child.stdout?.setEncoding('utf8').on('data', collect);
  child.stderr?.setEncoding('utf8').on('data', collect);
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      alive.delete(child);
      resolve({ code, signal });
    });
  });
  const running = () => child.exitCode === null && child.signalCode === null;
  const command = [program, ...args].join(' ');
  return {
    pid: child.pid as number,
    command,
    exited,
    output: () => output,
    running,
    signal: (signal) => {
      child.kill(signal);
    },
    end: async () => {
      if (running()) {
        child.kill('SIGTERM');
        await within('the end', ASK_MS, exited).catch(() => child.kill('SIGKILL'));
      }
      return within(`the end of ${command}`, KILL_MS, exited);
    },
  };
}

export interface Finished extends Exit {
  readonly output: string;
}

/** Runs a program to its end; after `withinMs` it is killed, which is an error. */
export async function run(
  program: string,
  args: readonly string[],
  withinMs: number,
  options: ChildOptions = {},
): Promise<Finished> {
  const child = await startChild(program, args, options);
  try {
    const exit = await within(`the end of ${child.command}`, withinMs, child.exited);
    return { ...exit, output: child.output() };
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${child.output()}`);
  } finally {
    child.signal('SIGKILL');
  }
}
