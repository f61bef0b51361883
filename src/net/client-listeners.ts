/** The clients' listeners: TCP and UDP at every address of `-l`, or a UNIX socket. All of them are bound, or none. */
import { HotspareError } from '../base/errors.js';
import { addressText, listenAddress, type Settings } from '../flags/settings.js';
import { failed, type NativeFailure } from '../native/addon.js';
import type { Log } from '../process/log.js';
import type { BoundPort } from '../process/port-file.js';
import { type Bound, Udp, type UdpOptions } from './udp.js';
import type { Endpoint, Wire } from './wire.js';

export interface ClientListenersOptions {
  readonly wire: Wire;
  readonly settings: Settings;
  readonly log: Log;
  /** True where connections are encrypted, unless their address says `notls:`. */
  readonly encrypts: boolean;
  readonly accept: (connection: number, encrypted: boolean) => Endpoint;
  readonly acceptDatagram: UdpOptions['accept'];
}

/** Binds a port (0: any) of an address, and returns it. */
type Open = (host: string, port: number, plain: boolean) => number | NativeFailure;

export class ClientListeners {
  readonly listeners: number[] = [];
  /** Bound ports, in the order of binding. */
  readonly ports: BoundPort[] = [];
  private readonly options: ClientListenersOptions;
  private readonly udp: Udp;

  constructor(options: ClientListenersOptions) {
    this.options = options;
    this.udp = new Udp({ wire: options.wire, accept: options.acceptDatagram });
  }

  /** The bound UDP sockets. */
  get datagrams(): readonly Bound[] {
    return this.udp.bound;
  }

  /** The first bound port; 0: none. */
  portOf(protocol: BoundPort['protocol']): number {
    return this.ports.find((bound) => bound.protocol === protocol)?.port ?? 0;
  }

  /** Binds everything. Throws HotspareError LISTEN; then nothing is bound. */
  begin(): void {
    const failure = this.bind();
    if (failure === null) return;
    this.end();
    throw failure;
  }

  end(): void {
    for (const listener of this.listeners.splice(0)) this.options.wire.closeListener(listener);
    this.ports.length = 0;
    this.udp.end();
  }

  private bind(): HotspareError | null {
    const { port, udpPort, unixSocket } = this.options.settings;
    if (unixSocket === null) {
      const tcp: Open = (host, named, plain) => this.bindTcp(host, named, plain);
      const udp: Open = (host, named) => this.bindUdp(host, named);
      return this.bindAll('TCP', port, tcp) ?? this.bindAll('UDP', udpPort, udp);
    }
    // A UNIX socket is plain, as in memcached.
    const listener = this.listen('', 0, unixSocket, true);
    if (failed(listener)) return listenFailure(`UNIX socket ${unixSocket}`, listener);
    this.options.log.detail(`listening on ${unixSocket}`);
    return null;
  }

  /** `port`: the port of addresses that name none; -1: any, 0: nothing is bound. */
  private bindAll(protocol: BoundPort['protocol'], port: number, open: Open): HotspareError | null {
    const { listen } = this.options.settings;
    if (port === 0) return null;
    for (const text of listen.length === 0 ? ['*'] : listen) {
      const place = listenAddress(text, port);
      const named = place.port === -1 ? 0 : place.port;
      if (place.everywhere) {
        const failure = this.bindEverywhere(protocol, named, place.plain, open);
        if (failure !== null) return failure;
        continue;
      }
      const bound = open(place.host, named, place.plain);
      if (failed(bound)) return listenFailure(`${protocol} ${text} port ${named}`, bound);
    }
    return null;
  }

  /** Binds all addresses of both families; a machine without IPv6 has only one. */
  private bindEverywhere(
    protocol: BoundPort['protocol'],
    port: number,
    plain: boolean,
    open: Open,
  ): HotspareError | null {
    const four = open('0.0.0.0', port, plain);
    if (failed(four)) return listenFailure(`${protocol} port ${port}`, four);
    const six = open('::', four, plain);
    if (!failed(six)) return null;
    if (!hasNoAddress(six)) return listenFailure(`${protocol} port ${port}`, six);
    this.options.log.detail(`no IPv6: ${six.call}: ${six.error}`);
    return null;
  }

  private bindTcp(host: string, named: number, plain: boolean): number | NativeFailure {
    const listener = this.listen(host, named, null, plain);
    if (failed(listener)) return listener;
    const port = this.options.wire.transport.listenerPort(listener);
    this.opened('TCP', host, port);
    return port;
  }

  private bindUdp(host: string, named: number): number | NativeFailure {
    const port = this.udp.listen(host, named);
    if (!failed(port)) this.opened('UDP', host, port);
    return port;
  }

  private opened(protocol: BoundPort['protocol'], host: string, port: number): void {
    this.ports.push({ protocol, host, port });
    const label = protocol === 'UDP' ? 'UDP ' : '';
    this.options.log.detail(`listening on ${label}${addressText(host, port)}`);
  }

  private listen(
    host: string,
    port: number,
    path: string | null,
    plain: boolean,
  ): number | NativeFailure {
    const { settings, wire, encrypts, accept } = this.options;
    const options = {
      host,
      port,
      path,
      mode: settings.unixMode,
      backlog: settings.backlog,
      group: 0,
    } as const;
    const encrypted = encrypts && !plain;
    const listener = wire.listen(options, (connection) => accept(connection, encrypted));
    if (!failed(listener)) this.listeners.push(listener);
    return listener;
  }
}

/**
 * Throws HotspareError LISTEN when an address to listen on is not this machine's. The port may be taken: a standby's
 * primary may hold it until it dies.
 */
export function checkAddresses(wire: Wire, { listen, port, unixSocket }: Settings): void {
  if (port === 0 || unixSocket !== null) return;
  for (const text of listen) {
    const { host } = listenAddress(text, port);
    const any = { host, port: 0, path: null, mode: 0, backlog: 1, group: 0 } as const;
    const listener = wire.listen(any, () => ({ data: (_, length) => length, closed: () => {} }));
    if (failed(listener)) throw listenFailure(`TCP ${text}`, listener);
    wire.closeListener(listener);
  }
}

/**
 * The reason why the clients' TCP port cannot be bound now, or null. The listener bound for the test is closed at once.
 */
export function addressTaken(
  wire: Wire,
  { listen, port, unixSocket }: Settings,
): HotspareError | null {
  if (port <= 0 || unixSocket !== null) return null;
  for (const text of listen.length === 0 ? ['0.0.0.0'] : listen) {
    const place = listenAddress(text, port);
    const host = place.everywhere ? '0.0.0.0' : place.host;
    const options = { host, port: place.port, path: null, mode: 0, backlog: 1, group: 0 } as const;
    const listener = wire.listen(options, () => ({
      data: (_, length) => length,
      closed: () => {},
    }));
    if (failed(listener)) return listenFailure(`TCP ${text} port ${place.port}`, listener);
    wire.closeListener(listener);
  }
  return null;
}

/** True when the machine has no address of this family. */
function hasNoAddress(failure: NativeFailure): boolean {
  return failure.error === 'EAFNOSUPPORT' || failure.error === 'EADDRNOTAVAIL';
}

function listenFailure(what: string, failure: NativeFailure): HotspareError {
  const local = what.startsWith('UNIX');
  const inUse = failure.error === 'EADDRINUSE';
  const reason = inUse ? 'Address already in use' : `${failure.call}: ${failure.error}`;
  const elsewhere = local
    ? 'name a path with -s that you may write to'
    : 'name an address of this machine with -l, and a port you may use with -p';
  const remedy = inUse
    ? 'stop what serves there, or choose another address with -p, -l, -s or -U'
    : elsewhere;
  return new HotspareError('LISTEN', `failed to listen on ${what}: ${reason}`, remedy);
}
