/**
 * Calls into the system that fail on demand. `Interposer` compiles test/faults/interposer.c, which goes in front of a
 * process with LD_PRELOAD; a `Fault` is the file by which a test tells such a process the call of its addon that fails,
 * and when. A fault can be armed before the process starts and again while it runs.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitStatus } from '../../src/base/errors.js';
import { patienceMs } from './nodes.js';
import type { Child } from './process.js';
import { within } from './until.js';

const source = join(__dirname, '../../../test/faults/interposer.c');
/** Exit statuses that errors have; a process that ends with another one has not ended clearly. */
const documented = new Set<number>(Object.values(exitStatus));
/** The size of `struct control` in interposer.c. */
const controlBytes = 56 + 64 * 32;
const hitsAt = 48;
const countsAt = 56;
const countBytes = 32;
/** The fault of a call that moves only one byte, where it was to move more. */
export const short = 'short';

export type FaultCode = keyof typeof constants.errno | typeof short;

/** FAULTS=all: every code for every call, instead of one or two. */
export const exhaustive = process.env['FAULTS'] === 'all';

export class Interposer {
  readonly folder: string;
  private readonly library: string;
  private named = 0;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'hotspare-faults-'));
    this.library = join(this.folder, 'interposer.so');
    const flags = ['-shared', '-fPIC', '-O1', '-o', this.library, source, '-ldl'];
    const { status, stderr } = spawnSync('cc', flags, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${source} cannot be compiled:\n${stderr}`);
  }

  fault(): Fault {
    return new Fault(join(this.folder, `control${this.named++}`), this.library);
  }

  end(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** The reason why the tests cannot run, or null. */
export function interposerMissing(): string | null {
  const found = spawnSync('cc', ['--version']).status === 0;
  return found ? null : 'not run: there is no C compiler (cc)';
}

export class Fault {
  /** The environment that the process is started with. */
  readonly env: Readonly<Record<string, string>>;
  private readonly descriptor: number;
  private described = '';
  /** The call that was armed last. */
  call = '';

  constructor(file: string, library: string) {
    this.env = { LD_PRELOAD: library, HOTSPARE_FAULTS: file };
    this.descriptor = openSync(file, 'w+');
    this.disarm();
  }

  /** From now on the `n`-th call of this name fails, and later ones, `times` in all. */
  arm(call: string, n: number, code: FaultCode, times = 1): void {
    this.disarm();
    const control = Buffer.alloc(countsAt);
    control.writeInt32LE(code === short ? -1 : constants.errno[code], 32);
    control.writeInt32LE(times, 36);
    control.writeBigInt64LE(BigInt(n), 40);
    writeSync(this.descriptor, control, 0, countsAt, 0);
    // The name arms the fault, so it is written after all the rest.
    writeSync(this.descriptor, Buffer.from(call, 'latin1'), 0, call.length, 0);
    this.call = call;
    this.described = `${call}, n = ${n}, ${code}`;
  }

  /** Ends the fault. Its hits stay. */
  disarm(): void {
    const size = this.described === '' ? controlBytes : 32;
    writeSync(this.descriptor, Buffer.alloc(size), 0, size, 0);
  }

  /** From now on calls are only counted. */
  count(): void {
    this.described = '';
    this.disarm();
    writeSync(this.descriptor, Buffer.from('*'), 0, 1, 0);
    this.described = 'counting';
  }

  /** How often each call was made since `count`. */
  get counts(): ReadonlyMap<string, number> {
    const bytes = Buffer.alloc(controlBytes);
    readSync(this.descriptor, bytes, 0, controlBytes, 0);
    const counts = new Map<string, number>();
    for (let at = countsAt; bytes[at] !== 0 && at < controlBytes; at += countBytes) {
      const [name] = bytes.toString('latin1', at, at + countBytes - 8).split('\0');
      counts.set(name!, Number(bytes.readBigInt64LE(at + countBytes - 8)));
    }
    return counts;
  }

  /** Calls that have failed since the fault was armed. */
  get hits(): number {
    const bytes = Buffer.alloc(8);
    readSync(this.descriptor, bytes, 0, 8, hitsAt);
    return Number(bytes.readBigInt64LE());
  }

  /** The fault that was armed last, for messages. */
  toString(): string {
    return this.described;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** Expects the end of a process, now or past: with one line of its own that says why, and a documented exit status. */
export async function expectClearEnd(child: Child): Promise<void> {
  const { code, signal } = await within('its end', patienceMs, child.exited);
  const lines = child.output().split('\n');
  // Logged lines begin with the time; other lines are for the user who started the process.
  const own = lines.filter((line) => line !== '' && !/^20\d\d-/.test(line));
  const isClear = own.length === 1 && /^hotspare: .* \(.*\)$/.test(own[0]!);
  if (isClear && code !== null && documented.has(code)) return;
  throw new Error(`it ended with ${code ?? signal}:\n${child.output()}`);
}

/** Descriptors that a process has open. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export interface Tried {
  /** The last n that the calls reached. */
  reached: number;
  readonly outcomes: Map<string, number>;
}

/** The calls that a test made fail, how often, and the outcomes: FAULTS=all and a failing test print it. */
export class Tally {
  private readonly rows = new Map<string, Tried>();

  add(call: string, code: FaultCode, n: number, outcome: string): void {
    const key = `${call} ${code}`;
    const row = this.rows.get(key) ?? { reached: 0, outcomes: new Map<string, number>() };
    this.rows.set(key, row);
    row.reached = Math.max(row.reached, n);
    row.outcomes.set(outcome, (row.outcomes.get(outcome) ?? 0) + 1);
  }

  reached(call: string): boolean {
    return [...this.rows.keys()].some((key) => key.startsWith(`${call} `));
  }

  toString(): string {
    const lines = [...this.rows].map(([key, { reached, outcomes }]) => {
      const all = [...outcomes].map(([outcome, count]) => `${count} ${outcome}`);
      return `${key.padEnd(28)} n ≤ ${String(reached).padStart(3)}  ${all.join(', ')}`;
    });
    return lines.join('\n');
  }
}
