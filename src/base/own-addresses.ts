/** The addresses of this machine. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import * as os from 'node:os';

/**
 * The addresses of interfaces that are up; null where the system does not say: a service without AF_NETLINK
 * (RestrictAddressFamilies) may not ask.
 */
export function ownAddresses(
  interfaces: typeof os.networkInterfaces = os.networkInterfaces,
): readonly os.NetworkInterfaceInfo[] | null {
  try {
    return Object.values(interfaces()).flatMap((addresses) => addresses ?? []);
  } catch {
    return null;
  }
}

/**
 * Whether this machine has the address, in any spelling. Null where that is unknown: for a name, as names are not
 * looked up, and where the system does not say.
 */
export function isOwnAddress(
  host: string,
  interfaces: typeof os.networkInterfaces = os.networkInterfaces,
): boolean | null {
  if (isIP(host) === 0) return null;
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8);
  own.addAddress('::1', 'ipv6');
  const addresses = ownAddresses(interfaces);
  for (const { address, family } of addresses ?? []) {
    own.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  if (own.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')) return true;
  return addresses === null ? null : false;
}
