/**
 * The addresses where clients connect, before they are bound: the order in which all of them are bound, and whether
 * they could be bound now. What is bound for a try is closed at once, and a try leaves no file behind.
 */
import { accessSync, closeSync, constants, lstatSync } from 'node:fs';
import { constants as system } from 'node:os';
import { dirname, resolve } from 'node:path';
import { HotspareError } from '../base/errors.js';
import { listenAddress, type Settings } from '../flags/settings.js';
import { failed, type NativeFailure, native } from '../native/addon.js';
import type { BoundPort } from '../process/port-file.js';
import type { Wire } from './wire.js';

/** Binds a port (0: any) of an address, and returns it. */
export type Open = (host: string, port: number, plain: boolean) => number | NativeFailure;

/** Addresses that a process on this machine holds until it ends; 0 and '' for none. */
export interface HeldAddresses {
  readonly tcp: number;
  readonly udp: number;
  /** The path of a UNIX socket. */
  readonly path: string;
}

/** Calls `open` for every address of `-l`. `port`: the port of addresses that name none; -1: any, 0: none is opened. */
export function openAll(
  protocol: BoundPort['protocol'],
  { listen }: Pick<Settings, 'listen'>,
  port: number,
  open: Open,
  lacksIpv6: (failure: NativeFailure) => void = () => {},
): HotspareError | null {
  if (port === 0) return null;
  for (const text of listen.length === 0 ? ['*'] : listen) {
    const place = listenAddress(text, port);
    const named = place.port === -1 ? 0 : place.port;
    if (!place.everywhere) {
      const bound = open(place.host, named, place.plain);
      if (failed(bound)) return listenFailure(`${protocol} ${text} port ${named}`, bound);
      continue;
    }
    // All addresses of both families; a machine without IPv6 has only one.
    const four = open('0.0.0.0', named, place.plain);
    if (failed(four)) return listenFailure(`${protocol} port ${named}`, four);
    const six = open('::', four, place.plain);
    if (!failed(six)) continue;
    if (!hasNoAddress(six)) return listenFailure(`${protocol} port ${named}`, six);
    lacksIpv6(six);
  }
  return null;
}

/**
 * Throws HotspareError LISTEN when an address to listen on is not this machine's. The port may be taken: a standby's
 * primary may hold it until it dies.
 */
export function checkAddresses(wire: Wire, settings: Settings): void {
  const { listen, port, udpPort, unixSocket } = settings;
  if ((port === 0 && udpPort === 0) || unixSocket !== null) return;
  for (const text of listen) {
    const bound = tryTcp(wire, listenAddress(text, port).host, 0);
    if (failed(bound)) throw listenFailure(`TCP ${text}`, bound);
  }
}

/**
 * Finds the reason why the clients' addresses cannot be bound now; null where they can. What is `held` counts as free.
 * A UNIX socket's answer comes later.
 */
export function tryAddresses(
  wire: Wire,
  settings: Settings,
  held: HeldAddresses,
  found: (taken: HotspareError | null) => void,
): void {
  const { port, udpPort, unixSocket } = settings;
  if (unixSocket !== null) {
    if (held.path === resolve(unixSocket)) found(null);
    else tryPath(wire, unixSocket, found);
    return;
  }
  const tcp: Open = (host, named) =>
    named > 0 && named === held.tcp ? named : tryTcp(wire, host, named);
  const udp: Open = (host, named) =>
    named > 0 && named === held.udp ? named : tryUdp(host, named);
  found(openAll('TCP', settings, port, tcp) ?? openAll('UDP', settings, udpPort, udp));
}

function tryTcp(wire: Wire, host: string, port: number): number | NativeFailure {
  const options = { host, port, path: null, mode: 0, backlog: 1, group: 0 } as const;
  const listener = wire.listen(options, () => ({ data: (_, length) => length, closed: () => {} }));
  if (failed(listener)) return listener;
  const bound = wire.transport.listenerPort(listener);
  wire.closeListener(listener);
  return bound;
}

function tryUdp(host: string, port: number): number | NativeFailure {
  const made = native.datagramsOpen(host, port);
  if (failed(made)) return made;
  closeSync(made.descriptor);
  return made.port;
}

/**
 * A socket's file is not made for a try, as clients would find it: its folder is looked at, and who answers there. A
 * file that nobody answers at is one that a dead process left, and is replaced when the address is bound.
 */
function tryPath(wire: Wire, path: string, found: (taken: HotspareError | null) => void): void {
  const taken = (failure: NativeFailure): void =>
    found(listenFailure(`UNIX socket ${path}`, failure));
  const inUse: NativeFailure = { call: 'bind', error: 'EADDRINUSE' };
  try {
    accessSync(dirname(path), constants.W_OK | constants.X_OK);
    if (!lstatSync(path).isSocket()) {
      taken(inUse);
      return;
    }
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && syscall === 'lstat') found(null);
    else taken({ call: 'bind', error: code ?? 'EACCES' });
    return;
  }
  const failure = wire.connect(path, -1, 1, (connection) => ({
    data: (_, length) => length,
    closed: () => {},
    connected: (errno) => {
      if (errno === 0) wire.close(connection, false);
      const isFree = errno === system.errno.ECONNREFUSED || errno === system.errno.ENOENT;
      if (isFree) found(null);
      else taken(inUse);
    },
  }));
  if (failure !== null) taken(failure);
}

/** True when the machine has no address of this family. */
function hasNoAddress(failure: NativeFailure): boolean {
  return failure.error === 'EAFNOSUPPORT' || failure.error === 'EADDRNOTAVAIL';
}

export function listenFailure(what: string, failure: NativeFailure): HotspareError {
  const local = what.startsWith('UNIX');
  const inUse = failure.error === 'EADDRINUSE';
  const reason = inUse ? 'Address already in use' : `${failure.call}: ${failure.error}`;
  const elsewhere = local
    ? 'name a path with -s that you may write to'
    : 'name an address of this machine with -l, and a port you may use with -p';
  let remedy = elsewhere;
  if (inUse) remedy = 'stop what serves there, or choose another address with -p, -l, -s or -U';
  if (failure.error === 'EMFILE') remedy = 'raise the limit of open files with prlimit --pid';
  return new HotspareError('LISTEN', `failed to listen on ${what}: ${reason}`, remedy);
}
