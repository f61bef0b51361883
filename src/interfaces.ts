/** The addresses of this machine. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** Those of interfaces that are up. */
export function ownAddresses(): readonly NetworkInterfaceInfo[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
}

/** Whether this machine has the address, in any spelling; null of a name, which is not looked up. */
export function isOwnAddress(host: string): boolean | null {
  if (isIP(host) === 0) return null;
  const own = new BlockList();
  own.addSubnet('127.0.0.0', 8);
  for (const { address, family } of ownAddresses()) {
    own.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return own.check(host, isIPv6(host) ? 'ipv6' : 'ipv4');
}
