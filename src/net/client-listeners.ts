/** The clients' listeners: TCP and UDP at every address of `-l`, or a UNIX socket. All of them are bound, or none. */
import type { HotspareError } from '../base/errors.js';
import { addressText, type Settings } from '../flags/settings.js';
import { failed, type NativeFailure } from '../native/addon.js';
import type { Log } from '../process/log.js';
import type { BoundPort } from '../process/port-file.js';
import { listenFailure, type Open, openAll } from './client-addresses.js';
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

export class ClientListeners {
  readonly listeners: number[] = [];
  /** Bound ports, in the order of binding. */
  readonly ports: BoundPort[] = [];
  /** Lines for the log of what was bound: they are logged once all is, as an heir may try often. */
  private news: string[] = [];
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
    this.news = [];
    const failure = this.bind();
    if (failure === null) {
      for (const line of this.news) this.options.log.detail(line);
      return;
    }
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
    this.news.push(`listening on ${unixSocket}`);
    return null;
  }

  private bindAll(protocol: BoundPort['protocol'], port: number, open: Open): HotspareError | null {
    return openAll(protocol, this.options.settings, port, open, ({ call, error }) => {
      this.news.push(`no IPv6: ${call}: ${error}`);
    });
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
    this.news.push(`listening on ${label}${addressText(host, port)}`);
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
