/** The flags that choose the link between two nodes. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type FabricProvider, fabricProviders, type Transport, transports } from '../fabric.js';
import { linkSpinUsMost } from '../limits.js';

export interface TransportSettings {
  readonly transport: Transport;
  readonly provider: FabricProvider | null;
  readonly spinUs: number;
}

export function transportFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--transport <link>', 'auto: rdma where both nodes have a device, else tcp')
        .choices([...transports])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--fabric <provider>',
        'of libfabric, for rdma; by default verbs, else tcp',
      ).choices([...fabricProviders]),
    )
    .option('--link-spin <us>', 'wait so long within a tick for an ack of rdma', microseconds, 0);
}

export function transportOf(flags: Readonly<Record<string, unknown>>): TransportSettings {
  return {
    transport: flags['transport'] as Transport,
    provider: (flags['fabric'] as FabricProvider | undefined) ?? null,
    spinUs: flags['linkSpin'] as number,
  };
}

function microseconds(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value <= linkSpinUsMost) return value;
  throw new InvalidArgumentError(`It is a whole number from 0 to ${linkSpinUsMost}.`);
}
