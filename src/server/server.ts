/**
 * The server: a store in a region, and the tick that lets clients use it. It runs without a standby; a backup plugs in
 * by setting `mirror`. The server does not know whether its region was made, found in a file or left by a primary.
 */

import { casStep, copyBytesPerTick, slowReaderMs, stalledSenderMs } from '../base/limits.js';
import { Authentication } from '../commands/authentication.js';
import type { EndReason } from '../commands/caller.js';
import { Executor } from '../commands/execute.js';
import type { Observer } from '../commands/execution/observer.js';
import { type LineOutput, Topic } from '../commands/execution/watchers.js';
import { Session } from '../commands/session.js';
import type { Arriving, SessionServer } from '../commands/session-server.js';
import type { Settings } from '../flags/settings.js';
import { native } from '../native/addon.js';
import type { Ports, Timer } from '../native/ports.js';
import type { Access } from '../net/access.js';
import { ClientListeners } from '../net/client-listeners.js';
import type { Origin } from '../net/udp.js';
import { Counter, type Endpoint, idle, type Wire } from '../net/wire.js';
import type { Log } from '../process/log.js';
import { writePortFile } from '../process/port-file.js';
import { connectionLines } from '../stats/conns.js';
import { Counters } from '../stats/counters.js';
import type { ServerStatSource } from '../stats/stat-sources.js';
import type { Journal } from '../store/journal.js';
import { alone, type Mirror } from '../store/mirror.js';
import type { Region } from '../store/region.js';
import { Store } from '../store/store.js';
import { CacheClock, type CacheOrigin } from './cache-clock.js';
import { UpkeepScheduler } from './upkeep-scheduler.js';

/** How often idle clients are looked for. */
const idleLookMs = 1000;
/** Most time spent at once on that search. */
const idleSliceMs = 1;
/** After a gap of this length without a request for memory, nobody waits for memory any more. */
const starvedGapMs = 100;

export class Server implements SessionServer, LineOutput {
  readonly wire: Wire;
  readonly ports: Ports;
  readonly executor: Executor;
  readonly statSource: ServerStatSource;
  readonly settings: Settings;
  readonly access: Access;
  readonly authentication: Authentication | null;
  /** The current mirror; backup/ sets it. */
  mirror: Mirror = alone;
  /** Sessions that are open, by connection. */
  private readonly sessions = new Map<number, Session>();
  /**
   * The origins of connections through TLS or UDP, as the transport does not know these, and of connections that
   * watchers were told of.
   */
  private readonly origins = new Map<number, Origin>();
  /** The cache's time. */
  readonly cacheClock: CacheClock;
  private readonly listeners: ClientListeners;
  private readonly counters = new Counters();
  private readonly journal: Journal;
  private readonly log: Log;
  private idler: Timer | null = null;
  private idleWalk: Iterator<Session> | null = null;
  private nowMs = 0;
  readonly arriving = new Set<Arriving>();
  /** Connections that are closed at the end of this tick. */
  private readonly slowReaders: number[] = [];
  private readonly stalledSenders: Arriving[] = [];
  /** When memory was last asked for in vain, and since when that happens without a gap. */
  private starvedMs = 0;
  private starvedSinceMs = 0;
  /** Whole seconds of the wire's clock, by which idle clients are judged. */
  seconds = 0;
  /** The connection whose command a watcher was told of last. */
  private observed: { session: Session | null; descriptor: number } = {
    session: null,
    descriptor: -1,
  };
  private readonly scheduler: UpkeepScheduler;
  /** The newest CAS id when the region was opened. */
  private readonly casFirst: number;

  constructor(
    wire: Wire,
    segments: readonly ArrayBuffer[],
    region: Region,
    settings: Settings,
    log: Log,
    access: Access = { credentials: null, tls: null },
    origin: CacheOrigin = 'here',
  ) {
    this.wire = wire;
    this.ports = wire.ports;
    this.settings = settings;
    this.log = log;
    this.access = access;
    this.journal = region.journal;
    const { clock, wallMs } = this.ports;
    this.cacheClock = new CacheClock(region, origin, clock(), wallMs);
    const options = { evict: settings.evict, casStep, patient: true };
    const store = new Store(region, options, this.cacheClock.at(clock()));
    this.casFirst = store.casLast;
    this.executor = new Executor(store, wire.output, this.counters, settings.flush);
    const { credentials } = access;
    this.authentication =
      credentials === null ? null : new Authentication(this.executor, credentials);
    this.observe(this.executor.observer);
    store.onStarved = () => this.freeMemory();
    this.executor.storing.onCrowded = () => this.giveUpSender();
    store.onEffort = () => wire.budget.weigh();
    this.executor.copies.connection = () => wire.connection;
    this.executor.copies.share = () => wire.budget.shareOf(copyBytesPerTick);
    this.executor.line.bytes = wire.input;
    this.executor.line.view = wire.inputView;
    configure(this.executor, settings);
    this.scheduler = new UpkeepScheduler(this);
    this.statSource = statSourceOf(settings, this.counters, wire.counters);
    this.listeners = new ClientListeners({
      wire,
      settings,
      log,
      encrypts: access.tls !== null,
      accept: (connection, encrypted) => this.accept(connection, encrypted),
      acceptDatagram: (connection, origin) => {
        this.origins.set(connection, origin);
        return this.open(connection);
      },
    });
    wire.useSegments(segments);
    wire.hooks = {
      begin: (nowMs) => {
        this.nowMs = nowMs;
        this.seconds = Math.floor(nowMs / 1000);
        store.tick(this.cacheClock.at(nowMs));
        this.executor.exchange.refusesWrites = this.mirror.refusesWrites;
        this.executor.lookahead.begin(wire.inputEnd);
      },
      end: () => {
        for (const connection of this.slowReaders.splice(0)) this.dropReader(connection);
        for (const sender of this.stalledSenders.splice(0)) this.dropSender(sender);
        if (this.executor.upkeep.isWanted) this.scheduler.wake();
        this.executor.observer.watchers.flush(this);
        return this.mirror.commit(this.journal, this.nowMs);
      },
      released: (ref) => store.slabs.unpin(ref),
    };
    const refusal = settings.refuseFast ? 'ERROR Too many open connections\r\n' : '';
    wire.transport.limit(settings.connections, refusal);
  }

  /** The number of changes by clients since this server opened the region. It never falls. */
  get changes(): number {
    const { store } = this.executor;
    return store.casLast - this.casFirst + this.counters.unversionedChanges;
  }

  /**
   * Binds every address and begins to serve. Throws HotspareError LISTEN; then nothing is bound. Items in the region
   * are adopted in the background.
   */
  serve(): void {
    const { listeners, statSource } = this;
    listeners.begin();
    statSource.port = listeners.portOf('TCP');
    statSource.udpPort = listeners.portOf('UDP');
    const { portFile, idleSeconds } = this.settings;
    if (portFile !== null) writePortFile(portFile, listeners.ports, this.log);
    const { timers } = this.ports;
    if (idleSeconds > 0) this.idler = timers.every(idleLookMs, () => this.closeIdle(), false);
    this.scheduler.start();
  }

  /** The command `shutdown`: sends this process the signal that an operator would send it. */
  shutdown(graceful: boolean): void {
    process.kill(process.pid, graceful ? 'SIGUSR1' : 'SIGINT');
  }

  stopListening(): void {
    this.listeners.end();
  }

  /** Stops serving and closes every client at once, unsent replies and all. The region is not touched any more. */
  depose(): void {
    this.idler?.cancel();
    this.idler = null;
    this.scheduler.stop();
    this.stopListening();
    this.wire.hooks = idle;
    for (const session of [...this.sessions.values()]) session.end();
    this.access.tls?.end();
    // Connections that wait only for the rest of their replies are closed, too.
    this.wire.transport.sweep(0);
    this.wire.forgetSegments();
  }

  onClosed(connection: number, reason: EndReason): void {
    const { observer } = this.executor;
    if ((observer.watchers.topics & Topic.connevents) !== 0) {
      const { address, descriptor } = this.originOf(connection);
      observer.closed(address, reason, descriptor);
    }
    this.sessions.delete(connection);
    this.origins.delete(connection);
    this.access.tls?.left(connection);
    observer.watchers.remove(connection);
    observer.update();
  }

  connectionLines(asker: number): Iterator<string> {
    const { sessions, origins, seconds: now } = this;
    const { listeners, datagrams } = this.listeners;
    const { transport } = this.wire;
    const startedAt = now - Math.floor(this.statSource.uptimeSeconds());
    const all = { transport, listeners, datagrams, sessions, origins, now, startedAt };
    return connectionLines(all, asker);
  }

  append(connection: number, first: Uint8Array, second: Uint8Array): boolean {
    return this.wire.append(connection, first, second);
  }

  pendingBytes(connection: number): number {
    return this.wire.transport.describe(connection)?.pendingBytes ?? 0;
  }

  /**
   * Replies hold all memory. Most of them are on their way, so a request that needs memory can wait for them. But a
   * client that has been reading its reply for too long is closed, so that others can go on; and the slowest reader is
   * closed when a request has waited for too long. False when there is nothing to wait for.
   */
  private freeMemory(): boolean {
    const { wire, nowMs } = this;
    // A request that waits asks again in every tick, so a gap means that none waited.
    if (nowMs - this.starvedMs > starvedGapMs) this.starvedSinceMs = nowMs;
    this.starvedMs = nowMs;
    const patience = nowMs - this.starvedSinceMs < slowReaderMs;
    const slowest = wire.slowestReader(patience ? slowReaderMs : 0);
    if (slowest !== null) this.slowReaders.push(slowest);
    return wire.isReferring || this.giveUpSender();
  }

  /**
   * Half-sent values hold memory that is needed: closes the sender that has stood still for longest, if that is too
   * long.
   */
  private giveUpSender(): boolean {
    if (this.stalledSenders.length > 0) return true;
    let longestMs = 0;
    let sender: Arriving | null = null;
    for (const candidate of this.arriving) {
      const stalledMs = this.wire.transport.stalledMs(candidate.connection);
      if (stalledMs < stalledSenderMs || stalledMs <= longestMs) continue;
      longestMs = stalledMs;
      sender = candidate;
    }
    if (sender !== null) this.stalledSenders.push(sender);
    return sender !== null;
  }

  private dropSender(sender: Arriving): void {
    this.log.say(
      'memory is full of values that do not arrive: one that has stopped half-way is closed',
    );
    sender.end('error');
  }

  /** Called when no command runs, as the connection to close may be that of the command. */
  private dropReader(connection: number): void {
    this.log.say('memory is full of replies that are not read: the slowest reader is closed');
    const session = this.sessions.get(connection);
    if (session !== undefined) session.end();
    else this.wire.close(connection, false);
  }

  /** Closes clients that wait for nothing and have sent nothing for too long, as memcached judges it. */
  private closeIdle(): void {
    if (this.idleWalk !== null) return;
    this.idleWalk = this.sessions.values();
    this.walkIdle(this.idleWalk);
  }

  /** Closing many clients takes long, so after a moment's work the rest waits for another turn. */
  private walkIdle(walk: Iterator<Session>): void {
    if (this.idler === null) return;
    const { clock, timers } = this.ports;
    const begunMs = clock();
    const now = Math.floor(begunMs / 1000);
    for (let next = walk.next(); next.done !== true; next = walk.next()) {
      this.closeIfIdle(next.value, now);
      if (clock() - begunMs < idleSliceMs) continue;
      timers.after(idleSliceMs, () => this.walkIdle(walk), false);
      return;
    }
    this.idleWalk = null;
  }

  private closeIfIdle(session: Session, now: number): void {
    if (now - session.activeAt <= this.settings.idleSeconds || !session.waits) return;
    const unsent = this.wire.transport.describe(session.connection)?.pendingBytes ?? 0;
    if (unsent > 0) return;
    this.counters.idleKicks++;
    session.end('idle_timeout');
  }

  private accept(connection: number, encrypted: boolean): Endpoint {
    this.counters.totalConnections++;
    const { observer } = this.executor;
    const told = (observer.watchers.topics & Topic.connevents) !== 0;
    if (encrypted || told) this.origins.set(connection, this.originOf(connection));
    if (told) {
      const { address, descriptor } = this.originOf(connection);
      observer.opened(address, descriptor);
    }
    const session = this.open(connection);
    if (!encrypted) return session;
    const { address } = this.originOf(connection);
    return this.access.tls!.greet(this.wire, session, address.slice(0, address.lastIndexOf(':')));
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

  /** The descriptor of a connection; the kernel is asked only once for many commands of it. */
  private descriptorOf(connection: number): number {
    const session = this.sessions.get(connection);
    if (session === undefined) return -1;
    if (this.observed.session !== session) {
      this.observed = { session, descriptor: this.originOf(connection).descriptor };
    }
    return this.observed.descriptor;
  }

  private observe(observer: Observer): void {
    const { settings, wire } = this;
    observer.scene = {
      wallMs: () => wire.counters[Counter.WALL_MS]!,
      descriptor: () => this.descriptorOf(wire.connection),
      wrote: (full) => (full ? wire.budget.end() : wire.budget.weigh()),
    };
    observer.prefixes.delimiter = settings.prefixDelimiter.charCodeAt(0);
    observer.prefixes.on = settings.detail;
    observer.update();
  }
}

function configure(executor: Executor, settings: Settings): void {
  const { upkeep, administration } = executor;
  upkeep.reassigns = settings.slabReassign;
  upkeep.automove = settings.slabAutomove;
  upkeep.balancer.ratio = settings.slabAutomoveRatio;
  upkeep.balancer.windowSeconds = settings.slabAutomoveWindow;
  upkeep.crawler.enabled = settings.lruCrawler;
  upkeep.crawler.itemsMost = settings.lruCrawlerTocrawl;
  administration.crawlerSleepMicros = settings.lruCrawlerSleepMicros;
  administration.mayDump = settings.dump;
  administration.remember(settings.tuning);
}

function statSourceOf(
  settings: Settings,
  counters: Counters,
  transportCounters: Float64Array,
): ServerStatSource {
  return {
    settings,
    counters,
    transportCounters,
    port: 0,
    udpPort: 0,
    verbosity: settings.verbosity,
    uptimeSeconds: () => process.uptime(),
    usage: () => {
      const { user, system } = process.cpuUsage();
      return { userUs: user, systemUs: system, pid: process.pid, linesLost: native.logLost() };
    },
  };
}
