/** The flags of the mirror and of its link, and the settings that follow from them. */
import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import * as limits from '../src/base/limits.js';
import type { Values } from '../src/flags/flag.js';
import { address, isLoopback, usage } from '../src/flags/settings.js';
import { integer } from '../src/flags/values.js';
import { type FabricProvider, fabricProviders } from '../src/native/fabric.js';
import { cipherFailure, type LinkCipher, linkCiphers } from './channel/cipher.js';
import { secretOf } from './channel/secret.js';
import {
  type LinkPreference,
  type LinkSettings,
  linkPreferences,
  type MirrorSettings,
} from './mirror-settings.js';

/** Gives a command the flags of the mirror. */
export function addMirrorFlags(command: Command): Command {
  for (const option of mirrorOptions()) command.addOption(option);
  return command;
}

/** Gives a command only the flags that choose the link between two nodes. */
export function addLinkFlags(command: Command): Command {
  for (const option of linkOptions()) command.addOption(option);
  return command;
}

/** The mirror's flags that were given, as arguments for a node. */
export function givenMirrorFlags(command: Command): string[] {
  return mirrorOptions().flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') return [];
    return [option.long!, String(command.getOptionValue(name))];
  });
}

function mirrorOptions(): Option[] {
  const number = (form: string, meaning: string, least: number, most: number): Option =>
    new Option(form, meaning).argParser(integer(least, most));
  return [
    new Option('--link-listen <HOST:PORT>', 'let a standby attach here'),
    new Option('--ack <mode>', 'sync: no reply before the standby has it')
      .choices(['sync', 'async'])
      .default('sync'),
    number(
      '--ack-timeout <ms>',
      `drop a standby that does not ack for this long (default: ${usual('ackTimeoutMs')})`,
      1,
      limits.ackTimeoutMsMost,
    ),
    number('--heartbeat <ms>', 'say "I live" this often', 1, 60_000).default(
      limits.heartbeatMsDefault,
    ),
    number(
      '--dead-after <ms>',
      `silence after which the primary is dead (default: ${usual('deadAfterMs')})`,
      3,
      600_000,
    ),
    number(
      '--standbys <n>',
      'take so many standbys (more than one: hotspare pair)',
      1,
      limits.standbysMost,
    ).default(1),
    number(
      '--require-standbys <n>',
      'refuse writes while fewer standbys are in sync',
      0,
      limits.standbysMost,
    ).default(0),
    new Option('--secret-file <file>', 'the secret both nodes share'),
    ...linkOptions(),
  ];
}

function linkOptions(): Option[] {
  return [
    new Option('--transport <link>', 'auto: rdma where both nodes have a device, else tcp')
      .choices([...linkPreferences])
      .default('auto'),
    new Option('--fabric <provider>', 'of libfabric, for rdma; by default verbs, else tcp').choices(
      [...fabricProviders],
    ),
    new Option('--link-spin <us>', 'wait so long within a tick for an ack of rdma')
      .argParser(integer(0, limits.linkSpinUsMost))
      .default(0),
    new Option('--link-cipher <cipher>', 'auto: aes-gcm where the link leaves this machine')
      .choices([...linkCiphers])
      .default('auto'),
  ];
}

/** The default of a time, on one machine and between machines. */
function usual(time: keyof typeof limits.timesHere): string {
  return `${limits.timesHere[time]}, between machines ${limits.timesBeyond[time]}`;
}

/** The settings of a command's flags. Throws HotspareError. */
export function mirrorSettingsOf(flags: Values): MirrorSettings {
  const listen = flags['linkListen'] as string | undefined;
  const linkListen = listen === undefined ? null : address(listen, 0);
  const file = flags['secretFile'] as string | undefined;
  const of = flags['of'] as string | undefined;
  const beyond = [linkListen?.host, of === undefined ? undefined : address(of, 0).host].find(
    (host) => host !== undefined && !isLoopback(host),
  );
  const secret = secretOf(file);
  if (beyond !== undefined && secret.length === 0) {
    throw usage(`a link over ${beyond} needs a secret: give both nodes the same --secret-file`);
  }
  const link = linkSettingsOf(flags);
  if (link.cipher === 'aes-gcm' && secret.length === 0) {
    throw usage('--link-cipher aes-gcm needs a secret: give both nodes the same --secret-file');
  }
  const failure = secret.length > 0 && link.cipher !== 'none' ? cipherFailure() : null;
  if (failure !== null) {
    throw usage(
      `--link-cipher ${link.cipher}: this node.js has no AES-GCM for addons (${failure.call})`,
      'run another build of node.js, or --link-cipher none on both nodes',
    );
  }
  const times = beyond === undefined ? limits.timesHere : limits.timesBeyond;
  const deadAfterMs = (flags['deadAfter'] as number | undefined) ?? times.deadAfterMs;
  const heartbeatMs = flags['heartbeat'] as number;
  if (deadAfterMs < 3 * heartbeatMs) {
    throw usage(
      `--dead-after ${deadAfterMs} must be at least three times --heartbeat ${heartbeatMs}`,
    );
  }
  const ackTimeoutMs = (flags['ackTimeout'] as number | undefined) ?? times.ackTimeoutMs;
  // A silent primary must be found before the standby's lease is over (docs/decisions/lease.md).
  const foundMs = deadAfterMs + 3 * heartbeatMs;
  if (foundMs > ackTimeoutMs * limits.leaseShare) {
    const least = Math.ceil(foundMs / limits.leaseShare);
    throw usage(
      `--ack-timeout ${ackTimeoutMs} must be at least ${least} with --dead-after ${deadAfterMs}`,
    );
  }
  return {
    linkListen,
    secret,
    ack: flags['ack'] as 'sync' | 'async',
    ackTimeoutMs,
    heartbeatMs,
    deadAfterMs,
    ...link,
    standbysMost: flags['standbys'] as number,
    standbysRequired: flags['requireStandbys'] as number,
    node: randomBytes(4).toString('hex'),
  };
}

/** The settings of a command's link flags. */
export function linkSettingsOf(flags: Readonly<Record<string, unknown>>): LinkSettings {
  return {
    linkPreference: flags['transport'] as LinkPreference,
    provider: (flags['fabric'] as FabricProvider | undefined) ?? null,
    spinUs: flags['linkSpin'] as number,
    cipher: flags['linkCipher'] as LinkCipher,
  };
}
