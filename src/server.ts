/**
 * The server: a store in a region, and the tick that lets clients at it. It can run without a standby; a backup plugs
 * in by setting `mirror`. Nothing here knows whether the region was made, found in a file or left by a primary.
 */
import type { Access } from './access.js';
import { wallSeconds } from './clock.js';
import { Counters } from './counters.js';
import { HotspareError } from './errors.js';
import { Executor } from './execute.js';
import type { Journal } from './journal.js';
import { casStep } from './limits.js';
import type { Log } from './log.js';
import { alone, type Mirror } from './mirror.js';
import { failed, type NativeFailure } from './native.js';
import type { Observer } from './observer.js';
import { listenAddress, type Settings } from './options.js';
import { Session } from './session.js';
import type { Shared } from './shared.js';
import { connectionLines, type Origin } from './stats/conns.js';
import type { ServerFacts } from './stats/facts.js';
import type { Region } from './store/region.js';
import { Store } from './store/store.js';
import { Udp } from './udp.js';
import { Unlocking } from './unlocking.js';
import { type LineOutput, Topic } from './watchers.js';
import { Counter, idle, type Wire } from './wire.js';

/** Chunks adopted between two turns of the loop: well under a millisecond of work. */
const adoptChunks = 1000;

export class Server implements Shared, LineOutput {
  readonly wire: Wire;
  readonly executor: Executor;
  readonly facts: ServerFacts;
  readonly settings: Settings;
  readonly access: Access;
  readonly unlocking: Unlocking | null;
  /** The mirror of now; backup/ sets it. */
  mirror: Mirror = alone;
  /** Sessions that are open, by connection. */
  private readonly sessions = new Map<number, Session>();
  /** Where those come from whose bytes come through TLS or UDP, or whom a watcher was told of. */
  private readonly origins = new Map<number, Origin>();
  private readonly udp: Udp;
  private readonly counters = new Counters();
  private readonly journal: Journal;
  private readonly log: Log;
  private readonly listeners: number[] = [];
  private nowMs = 0;
  private deposed = false;

  constructor(
    wire: Wire,
    memory: readonly ArrayBuffer[],
    region: Region,
    settings: Settings,
    log: Log,
    access: Access = { credentials: null, tls: null },
  ) {
    this.wire = wire;
    this.settings = settings;
    this.log = log;
    this.access = access;
    this.journal = region.journal;
    const store = new Store(region, { evict: settings.evict, casStep }, wallSeconds());
    this.executor = new Executor(store, wire.output, this.counters, settings.flush);
    const { credentials } = access;
    this.unlocking = credentials === null ? null : new Unlocking(this.executor, credentials);
    this.observe(this.executor.observer);
    this.udp = new Udp({
      wire,
      accept: (connection, origin) => {
        this.origins.set(connection, origin);
        return this.open(connection);
      },
    });
    store.onStarved = () => this.dropSlowestReader();
    this.executor.line.bytes = wire.input;
    this.executor.line.view = wire.inputView;
    this.facts = factsOf(settings, this.counters, wire.counters);
    wire.useSegments(memory);
    wire.hooks = {
      begin: (nowMs, seconds) => {
        this.nowMs = nowMs;
        store.tick(seconds);
        this.executor.lookahead.begin(wire.inputEnd);
      },
      end: () => {
        this.executor.observer.watchers.flush(this);
        return this.mirror.commit(this.journal, this.nowMs);
      },
      released: (ref) => store.slabs.unpin(ref),
    };
    wire.transport.limit(settings.connections, 'ERROR Too many open connections\r\n');
  }

  /**
   * Binds every address and begins to serve. Throws HotspareError LISTEN; then nothing is bound. Adopts what the
   * region holds in the background.
   */
  serve(): void {
    const failure = this.bind();
    if (failure !== null) {
      this.stopListening();
      throw failure;
    }
    this.adopt();
  }

  stopListening(): void {
    for (const listener of this.listeners.splice(0)) this.wire.closeListener(listener);
    this.udp.end();
  }

  /** Stops serving and closes every client at once, unsent replies and all. The region is not touched any more. */
  depose(): void {
    this.deposed = true;
    this.stopListening();
    this.wire.hooks = idle;
    for (const session of [...this.sessions.values()]) session.end();
    this.access.tls?.end();
    // Those that wait for nothing but the rest of their replies, too.
    this.wire.transport.sweep(0);
    this.wire.forgetSegments();
  }

  onClosed(session: Session, reason: 'normal' | 'error' | 'shutdown'): void {
    const { connection } = session;
    const { observer } = this.executor;
    if ((observer.watchers.topics & Topic.connevents) !== 0) {
      const { address, descriptor } = this.originOf(connection);
      observer.closed(address, reason, descriptor);
    }
    this.sessions.delete(connection);
    this.origins.delete(connection);
    observer.watchers.remove(connection);
    observer.update();
  }

  connectionLines(asker: Session): Iterator<string> {
    const { wire, listeners, udp, sessions, origins, executor } = this;
    const { now } = executor.store;
    const startedAt = now - Math.floor(this.facts.uptimeSeconds());
    const { transport } = wire;
    const datagrams = udp.bound;
    const all = { transport, listeners, datagrams, sessions, origins, now, startedAt };
    return connectionLines(all, asker);
  }

  append(connection: number, bytes: Uint8Array): boolean {
    return this.wire.append(connection, bytes);
  }

  pendingBytes(connection: number): number {
    return this.wire.transport.describe(connection)?.pendingBytes ?? 0;
  }

  /**
   * All memory is held by replies that nobody reads: the one who has been reading for longest is closed, so that the
   * others can go on.
   */
  private dropSlowestReader(): void {
    const connection = this.wire.slowestReader();
    if (connection === null) return;
    this.log.say('memory is full of replies that are not read: the slowest reader is closed');
    const session = this.sessions.get(connection);
    if (session !== undefined) session.end();
    else this.wire.close(connection, false);
  }

  private adopt(): void {
    const { slabs } = this.executor.store;
    if (this.deposed || slabs.adoptSome(adoptChunks)) return;
    setImmediate(() => this.adopt());
  }

  private bind(): HotspareError | null {
    const { settings } = this;
    if (settings.unixSocket !== null) {
      const listener = this.listen('', 0, settings.unixSocket);
      return failed(listener)
        ? listenFailure(`UNIX socket ${settings.unixSocket}`, listener)
        : null;
    }
    return this.bindTcp() ?? this.bindUdp();
  }

  private bindTcp(): HotspareError | null {
    const { settings } = this;
    if (settings.port === 0) return null;
    if (settings.listen.length === 0) return this.bindAny();
    for (const text of settings.listen) {
      const { host, port, plain } = listenAddress(text, settings.port);
      const listener = this.listen(host, port === -1 ? 0 : port, null, plain);
      if (failed(listener)) return listenFailure(`TCP ${text} port ${port}`, listener);
    }
    return null;
  }

  private bindUdp(): HotspareError | null {
    const { settings, udp } = this;
    if (settings.udpPort === 0) return null;
    const any = settings.listen.length === 0;
    for (const text of any ? ['0.0.0.0', '::'] : settings.listen) {
      const { host, port } = listenAddress(text, settings.udpPort);
      const same = any ? (udp.bound[0]?.port ?? port) : port;
      const bound = udp.listen(host, same === -1 ? 0 : same);
      if (failed(bound)) {
        if (any && udp.bound.length > 0 && hasNoAddress(bound)) break;
        return listenFailure(`UDP ${text} port ${same}`, bound);
      }
      if (this.facts.udpPort === 0) this.facts.udpPort = bound;
      this.log.detail(`listening on UDP ${host}:${bound}`);
    }
    return null;
  }

  /** All addresses of both families; a machine without IPv6 has only one. */
  private bindAny(): HotspareError | null {
    const port = this.settings.port === -1 ? 0 : this.settings.port;
    const four = this.listen('0.0.0.0', port, null);
    if (failed(four)) return listenFailure(`TCP port ${port}`, four);
    const six = this.listen('::', this.facts.port, null);
    if (!failed(six)) return null;
    if (!hasNoAddress(six)) return listenFailure(`TCP port ${port}`, six);
    this.log.detail(`no IPv6: ${six.call}: ${six.error}`);
    return null;
  }

  /** `plain`: in spite of -Z. A UNIX socket is plain, as in memcached. */
  private listen(
    host: string,
    port: number,
    path: string | null,
    plain = false,
  ): number | NativeFailure {
    const { settings, wire } = this;
    const options = {
      host,
      port,
      path,
      mode: settings.unixMode,
      backlog: settings.backlog,
      group: 0,
    } as const;
    const encrypted = this.access.tls !== null && path === null && !plain;
    const listener = wire.listen(options, (connection) => this.accept(connection, encrypted));
    if (failed(listener)) return listener;
    this.listeners.push(listener);
    const bound = wire.transport.listenerPort(listener);
    if (this.facts.port === 0) this.facts.port = bound;
    const where = path ?? (host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`);
    this.log.detail(`listening on ${where}`);
    return listener;
  }

  private accept(connection: number, encrypted: boolean): Session {
    this.counters.totalConnections++;
    const { observer } = this.executor;
    const told = (observer.watchers.topics & Topic.connevents) !== 0;
    if (encrypted || told) this.origins.set(connection, this.originOf(connection));
    if (told) {
      const { address, descriptor } = this.originOf(connection);
      observer.opened(address, descriptor);
    }
    const session = this.open(connection);
    if (encrypted && !this.access.tls!.divert(this.wire.transport, connection)) session.end();
    return session;
  }

  private open(connection: number): Session {
    const session = new Session(connection, this);
    this.sessions.set(connection, session);
    return session;
  }

  private originOf(connection: number): Origin {
    return (
      this.origins.get(connection) ??
      this.wire.transport.describe(connection) ?? { address: '', listenAddress: '', descriptor: -1 }
    );
  }

  private observe(observer: Observer): void {
    const { settings, wire } = this;
    observer.scene = {
      wallMs: () => wire.counters[Counter.WALL_MS]!,
      descriptor: () => this.originOf(wire.connection).descriptor,
    };
    observer.prefixes.delimiter = settings.prefixDelimiter.charCodeAt(0);
    observer.prefixes.on = settings.detail;
    observer.update();
  }
}

function factsOf(settings: Settings, counters: Counters, wire: Float64Array): ServerFacts {
  return {
    settings,
    counters,
    wire,
    port: 0,
    udpPort: 0,
    verbosity: settings.verbosity,
    uptimeSeconds: () => process.uptime(),
    usage: () => {
      const { user, system } = process.cpuUsage();
      return { userUs: user, systemUs: system, pid: process.pid };
    },
  };
}

/** True when the machine has no address of this family. */
function hasNoAddress(failure: NativeFailure): boolean {
  return failure.error === 'EAFNOSUPPORT' || failure.error === 'EADDRNOTAVAIL';
}

function listenFailure(what: string, failure: NativeFailure): HotspareError {
  const inUse = failure.error === 'EADDRINUSE';
  const reason = inUse ? 'Address already in use' : `${failure.call}: ${failure.error}`;
  const remedy = inUse
    ? 'stop what serves there, or choose another address with -p, -l or -s'
    : 'name an address of this machine with -l, and a port you may use with -p';
  return new HotspareError('LISTEN', `failed to listen on ${what}: ${reason}`, remedy);
}
