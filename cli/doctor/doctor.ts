/**
 * `hotspare doctor`: says what this machine can do for a mirror, and how to mend what it cannot. It changes nothing.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { memoryMebibytesDefault } from '../../src/base/limits.js';
import { address } from '../../src/flags/settings.js';
import { fabricProviders } from '../../src/native/fabric.js';
import { print } from '../../src/process/log.js';
import { clock } from './clock.js';
import { fabrics } from './fabrics.js';
import type { Finding } from './finding.js';
import { machine } from './machine.js';

type Flags = Readonly<Record<string, unknown>>;

export function doctorFlags(command: Command): Command {
  return command
    .option('--host <addr>', 'address of this machine for the link', '127.0.0.1')
    .option('--peer <HOST:PORT>', 'clients’ port of another node: compares the clocks')
    .option(
      '-m, --memory-limit <num>',
      'memory that would be mirrored, in MiB',
      mebibytes,
      memoryMebibytesDefault,
    )
    .option('--json', 'print one JSON object');
}

/** Prints its findings; resolves to whether an RDMA link over a device can be had. */
export async function doctor(flags: Flags): Promise<boolean> {
  const host = address(String(flags['host']), 0).host;
  const bytes = (flags['memoryLimit'] as number) * 2 ** 20;
  const peer = flags['peer'] as string | undefined;
  const findings = [...fabrics(host, fabricProviders), ...machine(bytes)];
  if (peer !== undefined) findings.push(await clock(peer));
  const ready = findings.every((finding) => finding.state !== 'fail');
  const text =
    flags['json'] === true
      ? `${JSON.stringify({ ready, findings }, null, 2)}\n`
      : `${findings.map(line).join('\n')}\n\n${verdict(ready)}\n`;
  print(text);
  return ready;
}

function line({ what, state, found, remedy }: Finding): string {
  const first = `${state.padEnd(5)} ${what.padEnd(16)} ${found}`;
  return remedy === '' ? first : `${first}\n${' '.repeat(23)}→ ${remedy}`;
}

function verdict(ready: boolean): string {
  return ready
    ? '--transport rdma can be had here'
    : '--transport rdma over a device cannot be had here; --transport tcp needs none of this';
}

function mebibytes(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1) return value;
  throw new InvalidArgumentError('It is a whole number of MiB.');
}
