/** The flags that choose the link between two nodes. */
import { type Command, Option } from 'commander';
import { type FabricProvider, fabricProviders, type Transport, transports } from '../fabric.js';
import { linkSpinUsMost } from '../limits.js';
import { integer } from './values.js';

export interface TransportSettings {
  readonly transport: Transport;
  readonly provider: FabricProvider | null;
  readonly spinUs: number;
}

export function transportOptions(): Option[] {
  return [
    new Option('--transport <link>', 'auto: rdma where both nodes have a device, else tcp')
      .choices([...transports])
      .default('auto'),
    new Option('--fabric <provider>', 'of libfabric, for rdma; by default verbs, else tcp').choices(
      [...fabricProviders],
    ),
    new Option('--link-spin <us>', 'wait so long within a tick for an ack of rdma')
      .argParser(integer(0, linkSpinUsMost))
      .default(0),
  ];
}

/** Gives a command these flags alone. */
export function addTransportFlags(command: Command): Command {
  for (const option of transportOptions()) command.addOption(option);
  return command;
}

export function transportOf(flags: Readonly<Record<string, unknown>>): TransportSettings {
  return {
    transport: flags['transport'] as Transport,
    provider: (flags['fabric'] as FabricProvider | undefined) ?? null,
    spinUs: flags['linkSpin'] as number,
  };
}
