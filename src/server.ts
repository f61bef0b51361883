/**
 * The server: a store in a region, and the tick that lets clients at it. It can run without a standby; a backup plugs
 * in by setting `mirror`. Nothing here knows whether the region was made, found in a file or left by a primary.
 */
import { Background } from './background.js';
import { monotonicMs, wallSeconds } from './clock.js';
import { Counters } from './counters.js';
import { HotspareError } from './errors.js';
import { Executor } from './execute.js';
import type { Journal } from './journal.js';
import { casStep } from './limits.js';
import type { Log } from './log.js';
import { alone, type Mirror } from './mirror.js';
import { failed, type NativeFailure } from './native.js';
import { address, type Settings } from './options.js';
import { type BoundPort, writePortFile } from './portfile.js';
import { Session } from './session.js';
import type { Shared } from './shared.js';
import type { ServerFacts } from './stats/facts.js';
import type { Region } from './store/region.js';
import { Store } from './store/store.js';
import { idle, type Wire } from './wire.js';

/** How often idle clients are looked for. */
const idleLookMs = 1000;

export class Server implements Shared {
  readonly wire: Wire;
  readonly executor: Executor;
  readonly facts: ServerFacts;
  readonly settings: Settings;
  /** The mirror of now; backup/ sets it. */
  mirror: Mirror = alone;
  /** Sessions that are open, by connection. */
  private readonly sessions = new Map<number, Session>();
  private readonly counters = new Counters();
  private readonly journal: Journal;
  private readonly log: Log;
  private readonly listeners: number[] = [];
  private readonly bound: BoundPort[] = [];
  private idler: NodeJS.Timeout | null = null;
  private nowMs = 0;
  /** Whole seconds of the wire's clock: what idle clients are measured by. */
  seconds = 0;
  private readonly background: Background;

  constructor(
    wire: Wire,
    memory: readonly ArrayBuffer[],
    region: Region,
    settings: Settings,
    log: Log,
  ) {
    this.wire = wire;
    this.settings = settings;
    this.log = log;
    this.journal = region.journal;
    const store = new Store(region, { evict: settings.evict, casStep }, wallSeconds());
    this.executor = new Executor(store, wire.output, this.counters, settings.flush);
    store.onStarved = () => this.dropSlowestReader();
    this.executor.line.bytes = wire.input;
    this.executor.line.view = wire.inputView;
    configure(this.executor, settings);
    store.patient = true;
    this.background = new Background(this);
    this.facts = factsOf(settings, this.counters, wire.counters);
    wire.useSegments(memory);
    wire.hooks = {
      begin: (nowMs, seconds) => {
        this.nowMs = nowMs;
        this.seconds = Math.floor(nowMs / 1000);
        store.tick(seconds);
        this.executor.lookahead.begin(wire.inputEnd);
      },
      end: () => {
        if (this.executor.upkeep.isWanted) this.background.wake();
        return this.mirror.commit(this.journal, this.nowMs);
      },
      released: (ref) => store.slabs.unpin(ref),
    };
    const refusal = settings.refuseFast ? 'ERROR Too many open connections\r\n' : '';
    wire.transport.limit(settings.connections, refusal);
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
    const { portFile, idleSeconds } = this.settings;
    if (portFile !== null) writePortFile(portFile, this.bound, this.log);
    if (idleSeconds > 0) this.idler = setInterval(() => this.closeIdle(), idleLookMs).unref();
    this.background.start();
  }

  /** The command `shutdown`: the process is sent what an operator would send it. */
  shutdown(graceful: boolean): void {
    process.kill(process.pid, graceful ? 'SIGUSR1' : 'SIGINT');
  }

  stopListening(): void {
    for (const listener of this.listeners.splice(0)) this.wire.closeListener(listener);
    this.bound.length = 0;
  }

  /** Stops serving and closes every client at once, unsent replies and all. The region is not touched any more. */
  depose(): void {
    if (this.idler !== null) clearInterval(this.idler);
    this.background.stop();
    this.stopListening();
    this.wire.hooks = idle;
    for (const session of [...this.sessions.values()]) session.end();
    // Those that wait for nothing but the rest of their replies, too.
    this.wire.transport.sweep(0);
    this.wire.forgetSegments();
  }

  onClosed(session: Session): void {
    this.sessions.delete(session.connection);
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

  /** Clients that wait for nothing and have sent nothing for too long, as memcached judges it. */
  private closeIdle(): void {
    const now = Math.floor(monotonicMs() / 1000);
    for (const session of [...this.sessions.values()]) {
      if (now - session.activeAt <= this.settings.idleSeconds || !session.waits) continue;
      const unsent = this.wire.transport.describe(session.connection)?.pendingBytes ?? 0;
      if (unsent > 0) continue;
      this.counters.idleKicks++;
      session.end();
    }
  }

  private bind(): HotspareError | null {
    const { settings } = this;
    if (settings.unixSocket !== null) {
      const listener = this.listen('', 0, settings.unixSocket);
      return failed(listener)
        ? listenFailure(`UNIX socket ${settings.unixSocket}`, listener)
        : null;
    }
    if (settings.port === 0) return null;
    if (settings.listen.length === 0) return this.bindAny(settings.port);
    for (const text of settings.listen) {
      const anywhere = /^\*(?::(\d+))?$/.exec(text);
      if (anywhere !== null) {
        const failure = this.bindAny(Number(anywhere[1] ?? settings.port));
        if (failure !== null) return failure;
        continue;
      }
      const { host, port } = address(text, settings.port);
      const listener = this.listen(host, port === -1 ? 0 : port, null);
      if (failed(listener)) return listenFailure(`TCP ${text} port ${port}`, listener);
    }
    return null;
  }

  /** All addresses of both families; a machine without IPv6 has only one. */
  private bindAny(named: number): HotspareError | null {
    const port = named === -1 ? 0 : named;
    const four = this.listen('0.0.0.0', port, null);
    if (failed(four)) return listenFailure(`TCP port ${port}`, four);
    const six = this.listen('::', this.bound.at(-1)!.port, null);
    if (!failed(six)) return null;
    const none = six.error === 'EAFNOSUPPORT' || six.error === 'EADDRNOTAVAIL';
    if (!none) return listenFailure(`TCP port ${port}`, six);
    this.log.detail(`no IPv6: ${six.call}: ${six.error}`);
    return null;
  }

  private listen(host: string, port: number, path: string | null): number | NativeFailure {
    const { settings, wire } = this;
    const options = {
      host,
      port,
      path,
      mode: settings.unixMode,
      backlog: settings.backlog,
      group: 0,
    } as const;
    const listener = wire.listen(options, (connection) => this.accept(connection));
    if (failed(listener)) return listener;
    this.listeners.push(listener);
    const bound = wire.transport.listenerPort(listener);
    if (this.facts.port === 0) this.facts.port = bound;
    if (path === null) this.bound.push({ transport: 'TCP', host, port: bound });
    const where = path ?? (host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`);
    this.log.detail(`listening on ${where}`);
    return listener;
  }

  private accept(connection: number): Session {
    this.counters.totalConnections++;
    const session = new Session(connection, this);
    this.sessions.set(connection, session);
    return session;
  }
}

/**
 * Throws HotspareError LISTEN when an address to listen on is not this machine's. Whether the port is free is another
 * question: a standby's primary may hold it until it dies.
 */
export function checkAddresses(wire: Wire, { listen, port, unixSocket }: Settings): void {
  if (port === 0 || unixSocket !== null) return;
  for (const text of listen) {
    const { host } = address(text, port);
    const any = { host, port: 0, path: null, mode: 0, backlog: 1, group: 0 } as const;
    const listener = wire.listen(any, () => ({ data: (_, length) => length, closed: () => {} }));
    if (failed(listener)) throw listenFailure(`TCP ${text}`, listener);
    wire.closeListener(listener);
  }
}

function configure(executor: Executor, settings: Settings): void {
  const { upkeep, administration } = executor;
  upkeep.reassigns = settings.slabReassign;
  upkeep.automove = settings.slabAutomove;
  upkeep.balance.ratio = settings.slabAutomoveRatio;
  upkeep.balance.windowSeconds = settings.slabAutomoveWindow;
  upkeep.crawler.enabled = settings.lruCrawler;
  upkeep.crawler.itemsMost = settings.lruCrawlerTocrawl;
  administration.crawlerSleepMicros = settings.lruCrawlerSleepMicros;
  administration.mayDump = settings.dump;
}

function factsOf(settings: Settings, counters: Counters, wire: Float64Array): ServerFacts {
  return {
    settings,
    counters,
    wire,
    port: 0,
    verbosity: settings.verbosity,
    uptimeSeconds: () => process.uptime(),
    usage: () => {
      const { user, system } = process.cpuUsage();
      return { userUs: user, systemUs: system, pid: process.pid };
    },
  };
}

function listenFailure(what: string, failure: NativeFailure): HotspareError {
  const inUse = failure.error === 'EADDRINUSE';
  const reason = inUse ? 'Address already in use' : `${failure.call}: ${failure.error}`;
  const remedy = inUse
    ? 'stop what serves there, or choose another address with -p, -l or -s'
    : 'name an address of this machine with -l, and a port you may use with -p';
  return new HotspareError('LISTEN', `failed to listen on ${what}: ${reason}`, remedy);
}
