/** The flags that choose the link between two nodes. */
import { type Command, Option } from 'commander';
import { linkSpinUsMost } from '../base/limits.js';
import {
  type FabricProvider,
  fabricProviders,
  type LinkPreference,
  linkPreferences,
} from '../native/fabric.js';
import { integer } from './values.js';

/** `--link-cipher`: whether frames between nodes are encrypted; auto: only where the link leaves the machine. */
export const linkCiphers = ['auto', 'aes-gcm', 'none'] as const;
export type LinkCipher = (typeof linkCiphers)[number];

export interface LinkSettings {
  readonly transport: LinkPreference;
  readonly provider: FabricProvider | null;
  readonly spinUs: number;
  readonly cipher: LinkCipher;
}

export function linkOptions(): Option[] {
  return [
    new Option('--transport <link>', 'auto: rdma where both nodes have a device, else tcp')
      .choices([...linkPreferences])
      .default('auto'),
    new Option('--fabric <provider>', 'of libfabric, for rdma; by default verbs, else tcp').choices(
      [...fabricProviders],
    ),
    new Option('--link-spin <us>', 'wait so long within a tick for an ack of rdma')
      .argParser(integer(0, linkSpinUsMost))
      .default(0),
    new Option('--link-cipher <cipher>', 'auto: aes-gcm where the link leaves this machine')
      .choices([...linkCiphers])
      .default('auto'),
  ];
}

/** Adds only these flags to a command. */
export function addLinkFlags(command: Command): Command {
  for (const option of linkOptions()) command.addOption(option);
  return command;
}

export function linkSettingsOf(flags: Readonly<Record<string, unknown>>): LinkSettings {
  return {
    transport: flags['transport'] as LinkPreference,
    provider: (flags['fabric'] as FabricProvider | undefined) ?? null,
    spinUs: flags['linkSpin'] as number,
    cipher: flags['linkCipher'] as LinkCipher,
  };
}
