/**
 * Makes a table of measurements: medians, and the ratio of the medians. Measurements during which other processes took
 * much of the machine are left out, where at least three of each server remain; else all count, marked with ~.
 */
import type { Measured } from './load.js';
import type { Workload } from './workloads.js';

/** One measurement of one server. */
export interface Sample extends Measured {
  readonly server: string;
}

export interface Result {
  readonly workload: Workload;
  readonly samples: readonly Sample[];
}

/** A measurement counts as disturbed when other processes had more than this share of all cores. */
const disturbanceMost = 0.1;
const undisturbedLeast = 3;

const columns = [
  'workload',
  'server',
  'ops/s',
  'p50 µs',
  'p99 µs',
  'cpu µs/op',
  'load busy',
  'ratio',
  'aim',
] as const;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function rateOf(sample: Measured): number {
  return sample.requests / sample.seconds;
}

/** True when each server has been measured this many times undisturbed. */
export function areEnough(samples: readonly Sample[], repeat: number): boolean {
  const servers = [...new Set(samples.map(({ server }) => server))];
  const undisturbed = (server: string): number =>
    samples.filter((one) => one.server === server && !isDisturbed([one])).length;
  return servers.length > 0 && servers.every((server) => undisturbed(server) >= repeat);
}

/** hotspare's median throughput over its peer's. */
export function ratioOf({ samples, workload }: Result): number {
  return (
    median(chosen(samples, 'hotspare').map(rateOf)) /
    median(chosen(samples, workload.peer).map(rateOf))
  );
}

export function table(results: readonly Result[]): string {
  const rows = results.flatMap(rowsOf);
  const widths = columns.map((name, i) =>
    Math.max(name.length, ...rows.map((row) => row[i]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const dashes = widths.map((width, i) => '-'.repeat(width + 1) + (i < 2 ? '-' : ':'));
  const rule = `|${dashes.join('|')}|`;
  return [line(columns), rule, ...rows.map(line)].join('\n');
}

function rowsOf(result: Result): string[][] {
  const { workload, samples } = result;
  return ['hotspare', workload.peer].map((server) => {
    const own = chosen(samples, server);
    const mark = isDisturbed(own) ? '~' : '';
    const of = (field: (sample: Sample) => number): number => median(own.map(field));
    const first = server === 'hotspare';
    return [
      first ? workload.name : '',
      server,
      `${mark}${Math.round(of(rateOf)).toLocaleString('en-US')}`,
      of((sample) => sample.p50Us).toFixed(0),
      of((sample) => sample.p99Us).toFixed(0),
      of((sample) => sample.processorUs).toFixed(2),
      `${(of((sample) => sample.busy) * 100).toFixed(0)} %`,
      first ? ratioOf(result).toFixed(2) : '',
      first && workload.target !== null ? workload.target.toFixed(1) : '',
    ];
  });
}

/** The undisturbed measurements of a server, if they are enough. */
function chosen(samples: readonly Sample[], server: string): readonly Sample[] {
  const own = samples.filter((sample) => sample.server === server);
  const undisturbed = own.filter((sample) => sample.disturbance <= disturbanceMost);
  return undisturbed.length >= undisturbedLeast ? undisturbed : own;
}

function isDisturbed(samples: readonly Sample[]): boolean {
  return samples.some((sample) => sample.disturbance > disturbanceMost);
}
