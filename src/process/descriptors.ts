/** How many clients fit into the files that this process may have open, beside the files that the node itself needs. */
import { readdirSync } from 'node:fs';
import { HotspareError } from '../base/errors.js';
import { datagramsInFlightMost, ownDescriptors } from '../base/limits.js';
import type { Settings } from '../flags/settings.js';
import type { Log } from './log.js';
import { limitsOf } from './system-limits.js';

/** A client through TLS needs its socket, and both ends of the pair behind it. */
const descriptorsPerTlsClient = 3;
/** A datagram under way needs both ends of its pair. */
const descriptorsPerDatagram = 2;

/** Files that this process may have open; null where the system does not tell. */
export function descriptorsMost(): number | null {
  return limitsOf('Max open files')?.[0] ?? null;
}

/**
 * The settings with as many connections as there are descriptors for; logs where they are fewer than `-c`. A client too
 * many is then refused by the limit on clients; without a descriptor neither it nor a standby could even be accepted.
 * Throws HotspareError LISTEN when there are none for clients.
 */
export function withRoom(settings: Settings, most: number | null, log: Log): Settings {
  const { connections } = settings;
  if (most === null) {
    log.say(
      `/proc does not tell how many files this process may have open: -c ${connections} is taken as it is`,
    );
    return settings;
  }
  const own = ownNeeds(settings);
  const fit = Math.floor((most - own) / (settings.tls === null ? 1 : descriptorsPerTlsClient));
  if (fit >= connections) return settings;
  const clients = settings.tls === null ? 'clients' : 'clients through TLS';
  if (fit < 1) {
    throw new HotspareError(
      'LISTEN',
      `this process may have ${most} files open, and the node itself needs ${own}`,
      'raise ulimit -Hn (LimitNOFILE= of a unit)',
    );
  }
  log.say(
    `-c ${connections}: ${most} open files have room for ${fit} ${clients} beside the node itself; more are refused ` +
      '(raise ulimit -Hn, LimitNOFILE= of a unit, or choose a smaller -c)',
  );
  return { ...settings, connections: fit };
}

function ownNeeds({ listen, udpPort }: Settings): number {
  const open = readdirSync('/proc/self/fd').length;
  // An address may stand for both families, and have a listener for TCP and a socket for UDP in each.
  const listeners = 4 * Math.max(1, listen.length);
  const datagrams = udpPort === 0 ? 0 : descriptorsPerDatagram * datagramsInFlightMost;
  return open + listeners + datagrams + ownDescriptors;
}
