/**
 * hotspare's own processes: nodes and pairs, started with the real command line, and their signs outside: log lines,
 * stats, and whether a process is still there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { Client } from './client.js';
import { type Child, run, startChild } from './process.js';
import { slowness, until } from './until.js';

export const main = join(__dirname, '../../cli/main.js');
/** A busy machine may take this long to start two nodes and copy a cache. */
export const patienceMs = 20_000 * slowness;

/** Starts hotspare with these arguments. */
export function hotspare(...args: string[]): Promise<Child> {
  return startChild(process.execPath, [main, ...args]);
}

/** Expects that hotspare does not start with these arguments: it prints one line, and ends with this status. */
export async function expectRefusal(
  args: readonly string[],
  code: number,
  sentence: RegExp,
  prefix: readonly string[] = [],
): Promise<void> {
  const [program, ...rest] = [...prefix, process.execPath, main, ...args];
  const finished = await run(program!, rest, patienceMs);
  // Logged lines begin with the time; other lines are for the user who started the process.
  const lines = finished.output.split('\n').filter((line) => line !== '' && !/^20\d\d-/.test(line));
  expect({ lines: lines.length, code: finished.code, output: finished.output }).toEqual({
    lines: 1,
    code,
    output: finished.output,
  });
  expect(lines[0]).toMatch(/^hotspare: .* \(.*\)$/);
  expect(lines[0]).toMatch(sentence);
}

/** It serves with these arguments, and is ended. Returns what it has said. */
export async function serves(
  args: readonly string[],
  prefix: readonly string[] = [],
): Promise<string> {
  const [program, ...rest] = [...prefix, process.execPath, main, ...args];
  const child = await startChild(program!, rest);
  try {
    await said(child, /serving on/);
    return child.output();
  } finally {
    await child.end();
  }
}

/** The groups of the `nth` matching line, once the process has written it. */
export function said(child: Child, pattern: RegExp, nth = 1): Promise<RegExpMatchArray> {
  return until(
    () => `${pattern} (${nth}) in what ${child.command} says:\n${child.output()}`,
    () => {
      const matches = [...child.output().matchAll(new RegExp(pattern, 'gm'))];
      if (matches.length >= nth) return matches[nth - 1];
      if (!child.running()) throw new Error(`${child.command} ended:\n${child.output()}`);
      return null;
    },
    { withinMs: patienceMs },
  );
}

/** The answer of `stats`, or of one of its kinds. */
export async function stats(port: number, kind = ''): Promise<ReadonlyMap<string, string>> {
  const client = await Client.connect('127.0.0.1', port);
  try {
    await client.send(kind === '' ? 'stats\r\n' : `stats ${kind}\r\n`);
    const text = await client.readUntil('statistics', (all) => all.endsWith('END\r\n'));
    const rows = text.toString('latin1').matchAll(/^STAT (\S+) (.*)\r$/gm);
    return new Map([...rows].map(([, name, value]) => [name!, value!]));
  } finally {
    client.close();
  }
}

/** The pids of a pair's nodes, newest last. The pair was started with -v. */
export function pids(pair: Child, role: 'primary' | 'standby'): number[] {
  const started = pair.output().matchAll(new RegExp(`started as ${role}, pid (\\d+)`, 'g'));
  return [...started].map(([, pid]) => Number(pid));
}

/** False when the process has ended, reaped or not. */
export function lives(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat[stat.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

/** Resolves once the process has ended. */
export function gone(pid: number): Promise<true> {
  return until(`the end of process ${pid}`, () => !lives(pid), { withinMs: patienceMs });
}
