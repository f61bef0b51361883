/**
 * A node: primary or standby, and whatever it becomes. It runs role.ts over the real parts: turns what they say into
 * events, and actions into calls. Takeover is: detect → fence → new epoch → open → bind → serve.
 */
import { checkTransport } from '../backup/fabrics.js';
import { Primary } from '../backup/primary.js';
import type { BackupSettings } from '../backup/settings.js';
import { type PrimaryAddress, Standby } from '../backup/standby.js';
import { type Access, openAccess } from '../src/access.js';
import { monotonicMs } from '../src/clock.js';
import { dumpOnSignal } from '../src/dump.js';
import { assert, HotspareError } from '../src/errors.js';
import { Journal } from '../src/journal.js';
import { drainingMs, helloMs, linkConnections } from '../src/limits.js';
import { checkAddresses } from '../src/listening.js';
import type { Log } from '../src/log.js';
import { mapRegion, memoryOptions } from '../src/memory.js';
import { type NativeRegion, native } from '../src/native.js';
import { addressText, type Settings } from '../src/options.js';
import { Server } from '../src/server.js';
import { geometryOf } from '../src/store/layout.js';
import { epochOf, markInconsistent, promote } from '../src/store/open.js';
import { Region } from '../src/store/region.js';
import type { Origin } from '../src/timeline.js';
import { Wire } from '../src/wire.js';
import { Detector } from './detector.js';
import { Herald } from './herald.js';
import {
  attachedTo,
  doubtful,
  homeless,
  linkLost,
  parseLink,
  silent,
  unopened,
  unreachable,
} from './losses.js';
import { report } from './report.js';
import { type Action, type Event, type State, step } from './role.js';

export interface NodeOptions {
  readonly settings: Settings;
  readonly backup: BackupSettings;
  readonly log: Log;
  /**
   * Ends the old primary when it does not speak any more but may still hold the address. Resolves when it cannot
   * serve. Null where nobody can: then a herald tells whoever serves at its address.
   */
  readonly fence: (() => Promise<void>) | null;
  /** Ends this process with an error. */
  readonly fail: (error: HotspareError) => void;
}

/** How often connections that drain for too long are looked for. */
const sweepMs = 1000;
/** How long, and how often, a standby tries to bind an address that its dead primary still holds. */
const bindMs = 10_000;
const bindRetryMs = 1;

export class Node {
  private readonly options: NodeOptions;
  private readonly wire: Wire;
  private readonly access: Access;
  private state: State = 'attaching';
  private memory: NativeRegion | null = null;
  private server: Server | null = null;
  private primary: Primary | null = null;
  private standby: Standby | null = null;
  private primaryAddress: PrimaryAddress | null = null;
  private looker: NodeJS.Timeout | null = null;
  private herald: Herald | null = null;
  private error = new HotspareError('LINK_LOST', 'the link was lost', 'start the standby again');
  /** The old primary was found silent, or another in its place: a process may hold the clients' address. */
  private mayLive = false;
  /** The epoch of that other. */
  private epochMet = 0;
  /** Newest sequence that replies of this process ever waited for: a later reign counts on from there. */
  private newestSequence = 0;

  constructor(options: NodeOptions) {
    this.options = options;
    this.access = openAccess(options.settings, options.log);
    this.wire = new Wire({ connectionsMax: options.settings.connections + linkConnections });
    setInterval(() => this.wire.transport.sweep(drainingMs), sweepMs).unref();
    dumpOnSignal(() => this.primary?.unacked.latencies.newest() ?? new Uint32Array(0), options.log);
  }

  /** Serves a new region, or the one in the memory file. Throws HotspareError. */
  startPrimary(): void {
    const { settings, backup, log } = this.options;
    checkTransport(backup, log);
    const journal = new Journal();
    const { memory, region, fresh, gaveUp } = mapRegion(
      geometryOf(settings),
      memoryOptions(settings),
      journal,
    );
    if (gaveUp !== null) log.say(`${gaveUp}: given up, and started empty`);
    if (!fresh) log.say(`${settings.memoryFile} holds a cache of epoch ${epochOf(region.head)}`);
    this.open(memory, region, 0);
    this.server!.serve();
    this.state = 'primary';
    this.reportServing(this.listenForStandbys());
  }

  /** Mirrors a primary until it dies. Throws HotspareError when it could not serve then. */
  startStandby(of: PrimaryAddress): void {
    checkTransport(this.options.backup, this.options.log);
    checkAddresses(this.wire, this.options.settings);
    this.primaryAddress = of;
    this.attach();
  }

  /** The standby's process has ended: a primary that lost it need not wait for it. */
  standbyIsDead(): void {
    this.primary?.standbyIsDead();
  }

  /** SIGHUP: who may use the cache is read again. */
  reload(): void {
    this.access.credentials?.reload();
  }

  /** Ends at once and in order: clients and links are closed. */
  stop(): void {
    if (this.looker !== null) clearInterval(this.looker);
    this.herald?.end();
    this.standby?.close();
    this.primary?.end();
    this.server?.depose();
    if (this.memory !== null && this.options.settings.memoryFile !== null) {
      native.regionSync(this.memory.id);
    }
    this.wire.transport.destroy();
  }

  private on(event: Event, error?: HotspareError): void {
    if (this.state === 'ended') return;
    if (error !== undefined) this.error = error;
    const { next, actions } = step(this.state, event);
    this.options.log.detail(`${this.state}: ${event} → ${next}`);
    this.state = next;
    for (const action of actions) this.act(action);
  }

  private act(action: Action): void {
    switch (action) {
      case 'attach':
        this.attach();
        return;
      case 'fence':
        this.fence();
        return;
      case 'promote':
        this.takeOver();
        return;
      case 'reportSynced':
        this.options.log.say(`in sync with ${this.primaryName()}: ready to take over`);
        report({ event: 'synced' });
        return;
      case 'reportServing':
        this.reportServing(this.tryToListenForStandbys());
        return;
      case 'retire':
        this.retire();
        return;
      default:
        this.options.fail(this.error);
    }
  }

  private attach(): void {
    if (this.primaryAddress === null) {
      this.options.fail(this.error);
      return;
    }
    this.standby ??= this.newStandby(this.primaryAddress);
    // A reconnect does not count as having heard something.
    if (this.state === 'attaching') this.standby.heardMs = monotonicMs();
    this.standby.attach();
    if (this.looker === null) this.look();
  }

  private newStandby(of: PrimaryAddress): Standby {
    const { backup, log, settings } = this.options;
    return new Standby(this.wire, of, backup, memoryOptions(settings), {
      welcomed: (welcome, gaveUp) => {
        log.say(attachedTo(this.primaryName(), welcome, gaveUp));
        this.on('welcomed');
      },
      synced: () => this.on('synced'),
      lost: (reason) => {
        log.say(`link to ${this.primaryName()} lost: ${reason}`);
        this.on('lost', this.linkLost(reason));
      },
      unreachable: (errno) => {
        const error = unreachable(this.primaryName(), errno);
        const event = unopened(errno, this.state);
        if (event === 'nobody') this.dead('connection refused', event, error);
        else this.on(event, error);
      },
      refused: (error) => this.refused(error),
      replaced: ({ cache, epoch }) => {
        this.epochMet = epoch;
        const reason = `in its place is another cache (${cache}, epoch ${epoch})`;
        this.mayLive = true;
        this.dead(reason, 'replaced', this.linkLost(reason));
      },
      dropped: () => {
        log.say('dropped: acked too late; raise --ack-timeout on the primary, or add processor');
        this.on('dropped', this.linkLost('the primary dropped this standby'));
      },
    });
  }

  /** Watches for silence, and for this node's own absence. */
  private look(): void {
    const { backup } = this.options;
    const lookMs = Math.max(1, Math.min(backup.heartbeatMs, backup.deadAfterMs / 5));
    const detector = new Detector({ deadAfterMs: backup.deadAfterMs, lookMs }, monotonicMs());
    this.looker = setInterval(() => {
      const now = monotonicMs();
      const { standby } = this;
      if (standby === null) return;
      standby.beat(now);
      const attaching = this.state === 'attaching' || this.state === 'reconnecting';
      if (this.state === 'attaching') {
        if (now - standby.heardMs > helloMs) this.on('silent', silent(this.primaryName()));
        return;
      }
      const watched = attaching || this.state === 'copying' || this.state === 'standby';
      if (watched && detector.look(now, standby.heardMs)) {
        const silence = `nothing heard for ${Math.round(detector.silence)} ms`;
        this.mayLive = true;
        this.dead(silence, 'silent', this.linkLost(silence));
      }
    }, lookMs);
  }

  /**
   * Our own primary has no reason to refuse us while it counts on our copy: whoever does then is somebody else, of
   * another version or with another secret, who was started in its place.
   */
  private refused(error: HotspareError): void {
    const ours = this.state !== 'reconnecting' || !this.standby!.isWhole(monotonicMs());
    if (ours || error.code === 'LINK_UNREACHABLE') {
      this.on('refused', error);
      return;
    }
    this.mayLive = true;
    this.dead(`in its place is another: ${error.message}`, 'replaced', error);
  }

  /** The primary is dead: take over, unless the copy must not be served. */
  private dead(
    reason: string,
    event: 'nobody' | 'silent' | 'replaced',
    error: HotspareError,
  ): void {
    const { log } = this.options;
    const holdsCopy = this.state === 'standby' || this.state === 'reconnecting';
    if (holdsCopy && this.standby!.isWhole(monotonicMs())) {
      log.say(`primary ${this.primaryName()} is dead: ${reason}`);
      report({ event: 'dead', reason });
      this.on(event, error);
    } else if (holdsCopy) {
      this.on('doubtful', doubtful(reason, this.standby!.leaseMs));
    } else {
      this.on(event, error);
    }
  }

  /** Law 4. A silent primary may hold the address, and may come back: it is told, and ended if we can. */
  private fence(): void {
    const { standby, options } = this;
    standby!.fence(Math.max(standby!.epoch, this.epochMet) + 1);
    if (!this.mayLive || options.fence === null) {
      this.on('fenced');
      return;
    }
    options.fence().then(
      () => this.on('fenced'),
      (error: Error) => {
        const remedy = 'end the old primary by hand, then start this node again';
        options.fail(new HotspareError('LINK_LOST', `fencing failed: ${error.message}`, remedy));
      },
    );
  }

  private takeOver(): void {
    const { standby } = this;
    assert(standby?.memory != null && standby.geometry !== null, 'only a whole copy takes over');
    if (this.looker !== null) clearInterval(this.looker);
    this.looker = null;
    const region = new Region(standby.memory, standby.geometry, new Journal());
    const epoch = promote(region, this.epochMet);
    const { backup, log, fence } = this.options;
    // Whoever was only silent may come back, and what died may be started again: it must learn that it reigns no more.
    if (fence === null) {
      this.herald = new Herald(this.wire, this.primaryAddress!, backup, epoch, log);
    }
    markInconsistent(region.head, false);
    this.open(standby.memory, region, Math.max(standby.sequence, this.newestSequence), 'primary');
    this.standby = null;
    this.bind(monotonicMs() + bindMs, false);
  }

  /** The kernel may need a moment to free a dead process's sockets. */
  private bind(deadlineMs: number, waited: boolean): void {
    try {
      this.server!.serve();
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      if (monotonicMs() > deadlineMs) {
        this.on('unbindable', error);
        return;
      }
      if (!waited) this.options.log.say(`${error.message}; trying again for ${bindMs / 1000} s`);
      setTimeout(() => this.bind(deadlineMs, true), bindRetryMs);
      return;
    }
    this.on('bound');
  }

  /** Makes a server, and the end that standbys attach to, over a region. */
  private open(
    memory: NativeRegion,
    region: Region,
    sequence: number,
    origin: Origin = 'here',
  ): void {
    const { settings, log, backup } = this.options;
    this.memory = memory;
    const { wire, access } = this;
    const server = new Server(wire, memory.segments, region, settings, log, access, origin);
    this.server = server;
    if (backup.linkListen === null) return;
    const primary = new Primary(this.wire, region, memory.id, backup, log, sequence, {
      synced: () => report({ event: 'attached' }),
      detached: (_, dropped) => report({ event: 'detached', dropped }),
      deposed: (epoch, link) => this.deposed(epoch, link),
    });
    this.primary = primary;
    server.mirror = primary;
  }

  /** The port standbys attach at, 0 without `--link-listen`. Throws HotspareError. */
  private listenForStandbys(): number {
    const { linkListen } = this.options.backup;
    if (this.primary === null || linkListen === null) return 0;
    return this.primary.listen(linkListen.host, linkListen.port);
  }

  /** A node that has taken over serves, also when no standby can attach to it. */
  private tryToListenForStandbys(): number {
    try {
      return this.listenForStandbys();
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.options.log.say(`${error.message}; ${error.remedy}`);
      return 0;
    }
  }

  private reportServing(linkPort: number): void {
    const { log, backup } = this.options;
    const server = this.server!;
    const host = backup.linkListen?.host ?? '';
    const epoch = epochOf(server.executor.store.region.head);
    const where = this.options.settings.unixSocket ?? `port ${server.facts.port}`;
    const listens = linkPort === 0 ? null : addressText(host, linkPort);
    const standbys = listens === null ? 'no standby can attach' : `standbys attach at ${listens}`;
    log.say(`serving on ${where}, epoch ${epoch}; ${standbys}`);
    report({ event: 'serving', port: server.facts.port, linkPort, epoch });
  }

  /** Law 4: whoever knows of a higher epoch answers nobody, and becomes its standby if it knows where. */
  private deposed(epoch: number, link: string | null): void {
    report({ event: 'deposed', epoch });
    this.primaryAddress = link === null ? null : parseLink(link);
    this.on('deposed', homeless(epoch));
  }

  private retire(): void {
    this.newestSequence = Math.max(this.newestSequence, this.primary?.sequence ?? 0);
    this.herald?.end();
    this.herald = null;
    this.mayLive = false;
    this.epochMet = 0;
    this.primary?.end();
    this.server?.depose();
    if (this.memory !== null) native.regionClose(this.memory.id);
    this.memory = null;
    this.primary = null;
    this.server = null;
    this.standby = null;
  }

  private primaryName(): string {
    return addressText(this.primaryAddress!.host, this.primaryAddress!.port);
  }

  private linkLost(reason: string): HotspareError {
    const copied = this.state === 'copying' ? this.standby?.landedBytes : undefined;
    return linkLost(this.primaryName(), reason, copied);
  }
}
