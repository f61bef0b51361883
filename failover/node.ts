/**
 * A node: primary or standby, and whatever it becomes. It runs role.ts over the real parts: turns what they say into
 * events, and actions into calls. A takeover is done by takeover.ts.
 */
import { checkTransport } from '../backup/link/fabrics.js';
import { Primary } from '../backup/primary/primary.js';
import type { Mirrored, Passer } from '../backup/primary/signpost.js';
import type { BackupSettings } from '../backup/settings.js';
import { type PrimaryAddress, Standby } from '../backup/standby/standby.js';
import { assert, HotspareError } from '../src/base/errors.js';
import {
  attachAgainMsLeast,
  attachAgainMsMost,
  challengeMs,
  copyingMs,
  drainingMs,
  helloMs,
  linkConnections,
} from '../src/base/limits.js';
import { addressText, isLoopback, type Settings, usage } from '../src/flags/options.js';
import type { NativeRegion } from '../src/native/addon.js';
import type { Ports, Timer } from '../src/native/ports.js';
import { type Access, openAccess } from '../src/net/access.js';
import { checkAddresses } from '../src/net/listening.js';
import { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { type MemoryOptions, mapRegion, memoryOptions } from '../src/server/memory.js';
import { Server } from '../src/server/server.js';
import type { Origin } from '../src/server/timeline.js';
import { Journal } from '../src/store/journal.js';
import { geometryOf } from '../src/store/layout.js';
import { epochOf, identityOf, markInconsistent, promote } from '../src/store/open.js';
import { Region } from '../src/store/region.js';
import { Candidates } from './candidates.js';
import { Complaint } from './complaint.js';
import { Detector } from './detector.js';
import { Herald, listensAt } from './herald.js';
import { LinkPort } from './link-port.js';
import {
  attachedTo,
  doubtful,
  homeless,
  isHint,
  linkLost,
  parseLink,
  silent,
  tooLate,
  unopened,
  unreachable,
} from './losses.js';
import { Readiness } from './readiness.js';
import type { Reporter } from './report.js';
import { type Action, type Event, type State, step } from './role.js';
import { Takeover } from './takeover.js';

export interface NodeOptions {
  /** What the node runs on. */
  readonly ports: Ports;
  readonly settings: Settings;
  readonly backup: BackupSettings;
  readonly log: Log;
  /**
   * Ends the old primary when it does not speak any more but may still hold the address, unless `untilMs` (of
   * `monotonicMs`) has passed. Resolves to whether it has ended. Null where nobody can: then a herald tells whoever
   * serves at its address.
   */
  readonly fence: ((untilMs: number) => Promise<boolean>) | null;
  /** Tells whoever started this process. */
  readonly report: Reporter;
  /** Told whether this process should be the first that the kernel ends when memory runs short. */
  readonly goesFirst: (first: boolean) => void;
  /** Ends this process with an error. */
  readonly fail: (error: HotspareError) => void;
}

/** How often connections that drain for too long are looked for. */
const sweepMs = 1000;

export class Node {
  private readonly options: NodeOptions;
  private readonly ports: Ports;
  private readonly wire: Wire;
  private readonly access: Access;
  private state: State = 'attaching';
  private memory: NativeRegion | null = null;
  private server: Server | null = null;
  private primary: Primary | null = null;
  private standby: Standby | null = null;
  /** Where a primary may be found; the first is the one that is mirrored, or tried. */
  private readonly candidates: Candidates;
  /** This node was started to serve: it begins anew when nobody holds the cache any more. */
  private isFounder = false;
  private looker: Timer | null = null;
  private detector: Detector | null = null;
  /** While set, the next attempt to attach is still to come. */
  private again: Timer | null = null;
  private againMs = attachAgainMsLeast;
  /** One for each place where somebody may still serve; the first goes to the old primary. */
  private heralds: Herald[] = [];
  private takeover: Takeover | null = null;
  private readonly linkPort: LinkPort;
  private error = new HotspareError('LINK_LOST', 'the link was lost', 'start the standby again');
  private readonly complaint: Complaint;
  private readonly readiness: Readiness;
  /** The old primary was found silent, or another in its place: a process may hold the clients' address. */
  private mayLive = false;
  /** The primary's machine has refused a connect: a hint that its process is dead. */
  private hinted = false;
  /** How often the primary speaks, as it said in its welcome. */
  private heartbeatMs = 0;
  /** The epoch of the cache that was found in the primary's place. */
  private epochMet = 0;
  /** Why the primary is dead, and since when this node knows. */
  private verdict = { reason: '', atMs: 0, oldIsDead: false };
  /** Newest sequence that replies of this process ever waited for: a later reign counts on from there. */
  private newestSequence = 0;

  constructor(options: NodeOptions) {
    this.options = options;
    this.access = openAccess(options.settings, options.log);
    const { ports, settings } = options;
    this.ports = ports;
    this.wire = new Wire({ connectionsMax: settings.connections + linkConnections, ports });
    this.complaint = new Complaint(options.log);
    this.candidates = new Candidates((at) =>
      listensAt(options.backup.linkListen, at, ports.network),
    );
    this.linkPort = new LinkPort(this.wire, options.backup, options.log);
    this.readiness = new Readiness(this.wire, options.settings, options.log);
    this.ports.timers.every(sweepMs, () => this.wire.transport.sweep(drainingMs), false);
  }

  /**
   * Serves a new region, or the one in the memory file. A node that others may attach to listens for a moment before it
   * answers anybody: one who took its place while it was away says so. Throws HotspareError.
   */
  startPrimary(): void {
    const { settings, backup, log } = this.options;
    this.isFounder = true;
    // A node without a link needs no fabric, which takes some tenths of a second to load.
    if (backup.linkListen !== null || backup.transport === 'rdma') checkTransport(backup, log);
    this.state = 'starting';
    this.serveOwn(memoryOptions(settings));
    this.linkPort.open(this.primary);
    this.awaitChallenge();
  }

  /** Mirrors a primary until it dies. Throws HotspareError when it could not serve then. */
  startStandby(of: PrimaryAddress): void {
    checkTransport(this.options.backup, this.options.log);
    checkAddresses(this.wire, this.options.settings);
    if (!this.candidates.prefer(of)) {
      const own = addressText(of.host, of.port);
      throw usage(`--of ${own}: that is this node's own --link-listen`, 'name the primary');
    }
    this.options.goesFirst(isHalf(this.state));
    this.attach();
  }

  /** The standby's process has ended: a primary that lost it need not wait for it. */
  standbyIsDead(): void {
    this.primary?.standbyIsDead();
  }

  /** The newest ack latencies of a primary, in ns. */
  latencies(): Uint32Array {
    return this.primary?.unacked.latencies.newest() ?? new Uint32Array(0);
  }

  /** SIGHUP: who may use the cache is read again. */
  reload(): void {
    this.access.credentials?.reload();
  }

  /** Ends in order: clients and links are closed. Resolves when whoever counts on this node has heard it. */
  async stop(): Promise<void> {
    this.state = 'ended';
    this.clearTimers();
    for (const herald of this.heralds) herald.end();
    this.linkPort.close();
    await this.standby?.depart();
    this.primary?.end();
    this.server?.depose();
    this.wire.transport.destroy();
    // Last, for a disk may take its time: everybody has heard by now that this node is gone.
    if (this.memory !== null && this.options.settings.memoryFile !== null) {
      this.ports.memory.regionSync(this.memory.id);
    }
  }

  private on(event: Event, error?: HotspareError): void {
    if (this.state === 'ended') return;
    if (error !== undefined) this.error = error;
    const { next, actions } = step(this.state, event);
    const before = this.state;
    this.state = next;
    for (const action of actions) this.act(action);
    this.options.goesFirst(isHalf(this.state));
    // Behind what had to be done: whoever writes a log may have to wait.
    this.options.log.detail(`${before}: ${event} → ${next}`);
  }

  private act(action: Action): void {
    switch (action) {
      case 'serve':
        this.wire.pause('starting', false);
        return;
      case 'attach':
        this.attach();
        return;
      case 'attachLater':
        this.attachLater();
        return;
      case 'fence':
        this.takeover = this.newTakeover();
        this.takeover.fence();
        return;
      case 'promote':
        this.takeover!.promote();
        return;
      case 'reportSynced':
        this.reportSynced();
        return;
      case 'reportServing':
        this.reportServing();
        return;
      case 'retire':
        this.retire();
        return;
      case 'beginAnew':
        this.beginAnew();
        return;
      default:
        this.options.fail(this.error);
    }
  }

  private attach(): void {
    this.clearAgain();
    this.takeover?.end();
    this.takeover = null;
    const of = this.candidates.current;
    if (of === null) {
      // Whoever reigns did not say where, and nobody else is known: this node's own link port may be found.
      this.attachLater();
      return;
    }
    this.standby ??= this.newStandby(of);
    this.standby.moveTo(of);
    // A reconnect does not count as having heard something.
    if (this.state === 'attaching') this.standby.heardMs = this.ports.clock();
    if (this.looker === null) this.look();
    this.standby.attach();
  }

  /** Tries again, less and less often; says why it has to, the first time and then now and then. */
  private attachLater(): void {
    this.standby?.hangUp();
    this.clearAgain();
    if (this.state === 'attaching') {
      this.complain();
      // A whole copy belongs to one primary; whoever holds none may ask all.
      this.candidates.rotate();
    }
    this.again = this.ports.timers.after(this.againMs, () => this.attach());
    this.againMs = Math.min(this.againMs * 2, attachAgainMsMost);
  }

  private complain(): void {
    this.complaint.say(this.error, 'trying again until it can be mirrored', this.ports.clock());
    this.options.report({ event: 'waiting' });
  }

  private newStandby(of: PrimaryAddress): Standby {
    const { backup, log, settings } = this.options;
    return new Standby(this.wire, of, backup, memoryOptions(settings), {
      welcomed: (welcome, gaveUp) => {
        log.say(attachedTo(this.primaryName(), welcome, gaveUp));
        this.againMs = attachAgainMsLeast;
        this.complaint.forget();
        this.hinted = false;
        this.heartbeatMs = welcome.heartbeatMs;
        this.lookAtAddress();
        this.options.report({ event: 'copying' });
        this.on('welcomed');
      },
      synced: () => this.on('synced'),
      lost: (reason) => {
        const error = this.linkLost(reason);
        const complains = this.state === 'attaching' || this.state === 'copying';
        this.on('lost', error);
        if (!complains) log.say(`link to ${this.primaryName()} lost: ${reason}`);
      },
      unreachable: (errno) => {
        const error = unreachable(this.primaryName(), errno);
        this.hinted = isHint(errno);
        const event = unopened(errno, this.state, this.isHere());
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
      outranked: (epoch, link) => this.outranked(epoch, link),
      dropped: () => {
        this.on('dropped', this.linkLost('the primary dropped this standby'));
        log.say('dropped: acked too late; raise --ack-timeout on the primary, or add processor');
      },
    });
  }

  /** True when the primary's link is on this machine: then a refusal is proof of its death. */
  private isHere(): boolean {
    const { host } = this.candidates.current!;
    return isLoopback(host) || this.ports.network.isOwnAddress(host) === true;
  }

  /** Watches for silence, and for this node's own absence. */
  private look(): void {
    const { backup } = this.options;
    const lookMs = Math.max(1, Math.min(backup.heartbeatMs, backup.deadAfterMs / 5));
    this.detector = new Detector({ deadAfterMs: backup.deadAfterMs, lookMs }, this.ports.clock());
    this.looker = this.ports.timers.every(lookMs, () => this.lookNow());
  }

  private lookNow(): void {
    const { standby, state } = this;
    const now = this.ports.clock();
    if (standby === null) return;
    standby.beat(now);
    if (this.readiness.isDue(now)) this.lookAtAddress();
    if (state === 'attaching' || state === 'copying') {
      // Half a cache is not served, however dead the primary is: there is no hurry.
      const patienceMs = state === 'attaching' ? helloMs : copyingMs;
      const waits = this.again !== null || now - standby.heardMs <= patienceMs;
      if (!waits) this.on('silent', silent(this.primaryName(), patienceMs));
      return;
    }
    const hint = this.hinted ? this.heartbeatMs : undefined;
    if (state !== 'standby' && state !== 'reconnecting') return;
    if (this.detector!.look(now, standby.heardMs, hint)) {
      const refused = this.hinted ? 'connection refused, and ' : '';
      const silence = `${refused}nothing heard for ${Math.round(this.detector!.silence)} ms`;
      this.mayLive = true;
      this.dead(silence, 'silent', this.linkLost(silence));
    }
  }

  /**
   * Our own primary has no reason to refuse us while it counts on our copy: whoever does then is somebody else, of
   * another version or with another secret, who was started in its place.
   */
  private refused(error: HotspareError): void {
    // Our own system could not even begin to connect (no route, no descriptor): that says nothing of the primary.
    if (error.code === 'LINK_UNREACHABLE') {
      this.on('unreachable', error);
      return;
    }
    const ours = this.state !== 'reconnecting' || !this.standby!.isWhole(this.ports.clock());
    if (ours) {
      this.on(error.code === 'LINK_BUSY' ? 'busy' : 'refused', error);
      return;
    }
    this.mayLive = true;
    this.dead(`in its place is another: ${error.message}`, 'replaced', error);
  }

  /**
   * The primary is dead: take over, unless the copy must not be served. Nothing is said of it before it is done, for
   * the lease may end while a line waits to be written.
   */
  private dead(
    reason: string,
    event: 'nobody' | 'silent' | 'replaced',
    error: HotspareError,
  ): void {
    const holdsCopy = this.state === 'standby' || this.state === 'reconnecting';
    if (!holdsCopy) {
      this.on(event, error);
    } else if (this.standby!.isWhole(this.ports.clock())) {
      this.verdict = { reason, atMs: this.ports.clock(), oldIsDead: event !== 'silent' };
      this.on(event, error);
    } else {
      this.on('doubtful', doubtful(reason, this.standby!.leaseMs));
    }
  }

  private newTakeover(): Takeover {
    const { options } = this;
    const standby = this.standby!;
    const endOld = (ended: (is: boolean) => void): void => {
      // Whoever is ended need not be told, and what it still says matters no more.
      standby.hangUp();
      options.fence!(standby.leaseEndsMs).then(ended, () => ended(false));
    };
    this.clearAgain();
    return new Takeover(
      {
        holdsLease: () => standby.isWhole(this.ports.clock()),
        revoke: () => standby.revoke(),
        endOld: this.mayLive && options.fence !== null ? endOld : null,
        promote: () => this.promote(standby),
        tell: () => this.tell(standby),
        serve: () => this.tryToServe(),
        ask: (answered) => {
          const [first] = this.heralds;
          if (first === undefined) answered();
          else first.ask(answered);
        },
        waits: (error, attempt) => this.waitsForAddress(error, attempt),
        after: (ms, then) => void this.ports.timers.after(ms, then),
        on: (event) => {
          if (event === 'late') this.on(event, tooLate());
          else this.on(event);
        },
      },
      this.verdict.oldIsDead,
    );
  }

  /** The new reign begins: nobody is served yet, but whoever looks for us finds us. */
  private promote(standby: Standby): void {
    assert(standby.memory !== null && standby.geometry !== null, 'only a whole copy takes over');
    this.looker?.cancel();
    this.looker = null;
    const region = new Region(standby.memory, standby.geometry, new Journal());
    promote(region, this.epochMet);
    markInconsistent(region.head, false);
    this.open(standby.memory, region, Math.max(standby.sequence, this.newestSequence), 'primary');
    this.standby = null;
    this.linkPort.openOrTryOn(this.primary);
  }

  /** Tells the old primary, if it can hear; then whoever may come to its address; then those who watch. */
  private tell(standby: Standby): void {
    const { log, fence } = this.options;
    const { reason, atMs } = this.verdict;
    const { region } = this.server!.executor.store;
    standby.depose(epochOf(region.head), this.linkPort.advertised);
    // Whoever was only silent may come back, and what died may be started again: it must learn that it reigns no more.
    if (fence === null) {
      this.heralds = this.candidates.all.map((old) => this.newHerald(old, region));
    }
    log.say(`primary ${this.primaryName()} is dead: ${reason}`);
    this.options.report({ event: 'dead', reason }, atMs);
  }

  private newHerald(old: PrimaryAddress, { head }: Region): Herald {
    const { backup, log } = this.options;
    return new Herald({
      wire: this.wire,
      old,
      settings: backup,
      log,
      reign: () => ({
        epoch: epochOf(head),
        cache: identityOf(head),
        changes: this.server?.changes ?? 0,
      }),
      outranked: (epoch, at) => {
        const lost = this.server?.changes ?? 0;
        const gone = lost === 0 ? '' : `; ${lost} changes acknowledged here are lost`;
        log.say(`deposed: epoch ${epoch} reigns now, ours was ${epochOf(head)}${gone}`);
        this.outranked(epoch, at);
      },
    });
  }

  private tryToServe(): HotspareError | null {
    try {
      this.server!.serve();
      return null;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      return error;
    }
  }

  /** The kernel may need a moment to free a dead process's sockets; whoever else holds the address, longer. */
  private waitsForAddress(error: HotspareError, attempt: number): void {
    if (attempt === 1) this.complaint.forget();
    this.complaint.say(error, 'trying on: this node holds the cache', this.ports.clock());
  }

  /** Opens this node's own memory, and binds the clients' addresses; nobody is answered yet. Throws HotspareError. */
  private serveOwn(options: MemoryOptions): void {
    const { settings, log } = this.options;
    const { memory, region, fresh, gaveUp } = mapRegion(
      geometryOf(settings),
      options,
      new Journal(),
      this.ports,
    );
    if (gaveUp !== null) log.say(`${gaveUp}: given up, and started empty`);
    if (!fresh) log.say(`${settings.memoryFile} holds a cache of epoch ${epochOf(region.head)}`);
    this.open(memory, region, this.newestSequence);
    this.wire.pause('starting', true);
    this.server!.serve();
  }

  /** Listens for a moment for one who took this node's place. */
  private awaitChallenge(): void {
    // Whoever started both nodes knows that nobody reigns yet.
    if (this.primary === null || this.options.fence !== null) this.on('unchallenged');
    else this.again = this.ports.timers.after(challengeMs, () => this.on('unchallenged'));
  }

  /** Nobody holds the cache any more: this node, which was started to serve, serves an empty one. */
  private beginAnew(): void {
    this.options.log.say(
      'the cache is lost: every node that is known looks for a primary, and none holds a copy; beginning anew, empty',
    );
    this.clearTimers();
    const { standby } = this;
    this.standby = null;
    void (standby?.giveUp() ?? Promise.resolve()).then(() => this.serveAnew());
  }

  private serveAnew(): void {
    if (this.state !== 'starting') return;
    try {
      // What stands in the file was to be given up for the copy of the next primary.
      this.serveOwn({ ...memoryOptions(this.options.settings), discard: true });
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.options.fail(error);
      return;
    }
    this.linkPort.openOrTryOn(this.primary);
    this.awaitChallenge();
  }

  /** A node has come to our link port while we do not reign. */
  private met({ reigns, holds, link }: Passer): void {
    const address = link === null ? null : parseLink(link);
    if (address === null || this.state !== 'attaching') return;
    const now = this.ports.clock();
    if (reigns) {
      if (!this.candidates.prefer(address)) return;
      this.standby?.hangUp();
      this.attach();
    } else if (!holds) {
      this.candidates.seeks(address, now);
      if (this.isFounder && this.candidates.areAllSeeking(now)) this.on('forsaken');
    }
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
    const primary = new Primary({
      wire: this.wire,
      region,
      memory: memory.id,
      settings: backup,
      log,
      sequence,
      changes: () => server.changes,
      clientPort: () => server.facts.port,
      events: {
        synced: () => this.options.report({ event: 'attached' }),
        detached: (_, dropped) => this.options.report({ event: 'detached', dropped }),
        deposed: (epoch, link) => this.outranked(epoch, link),
      },
    });
    this.primary = primary;
    server.mirror = primary;
  }

  private reportServing(): void {
    const { log } = this.options;
    const linkPort = this.linkPort.port;
    const server = this.server!;
    const epoch = epochOf(server.executor.store.region.head);
    const where = this.options.settings.unixSocket ?? `port ${server.facts.port}`;
    const standbys =
      linkPort === 0 ? 'no standby can attach' : `standbys attach at ${this.linkPort.text}`;
    log.say(`serving on ${where}, epoch ${epoch}; ${standbys}`);
    this.options.report({ event: 'serving', port: server.facts.port, linkPort, epoch });
  }

  private reportSynced(): void {
    this.options.log.say(`in sync with ${this.primaryName()}: ${this.readiness.sentence}`);
    this.options.report({ event: 'synced' });
  }

  /** The primary itself may hold the clients' address, where both nodes are on one machine. */
  private lookAtAddress(): void {
    const clientPort = this.standby?.terms?.clientPort;
    if (clientPort === undefined) return;
    const shared = this.isHere() && clientPort === this.options.settings.port;
    this.readiness.look(this.ports.clock(), shared, this.state === 'standby');
  }

  /** Law 4: whoever knows that another reign goes on answers nobody, and mirrors it if it knows where. */
  private outranked(epoch: number, link: string | null): void {
    const address = link === null ? null : parseLink(link);
    const reigns = this.server !== null;
    if (reigns) this.options.report({ event: 'deposed', epoch });
    const isElsewhere = address !== null && this.candidates.prefer(address);
    this.on(
      !isElsewhere && this.candidates.current === null ? 'homeless' : 'outranked',
      homeless(epoch),
    );
    const where = link === null ? 'it did not say where' : `at ${link}`;
    if (!reigns) this.options.log.say(`epoch ${epoch} reigns elsewhere now: ${where}`);
  }

  private retire(): void {
    this.newestSequence = Math.max(this.newestSequence, this.primary?.sequence ?? 0);
    this.clearTimers();
    for (const herald of this.heralds.splice(0)) herald.end();
    this.mayLive = false;
    this.epochMet = 0;
    this.primary?.end();
    // A supervisor knows who reigns; elsewhere heirs behind cuts of their own know nothing but this port.
    if (this.options.fence !== null) this.linkPort.close();
    else this.linkPort.direct({ mirrored: () => this.mirrored(), met: (one) => this.met(one) });
    this.server?.depose();
    this.wire.pause('starting', false);
    if (this.memory !== null) this.ports.memory.regionClose(this.memory.id);
    this.memory = null;
    this.primary = null;
    this.server = null;
    this.standby = null;
  }

  private mirrored(): Mirrored | null {
    if (this.candidates.current === null) return null;
    return { node: this.standby?.terms?.node ?? null, link: this.primaryName() };
  }

  private clearTimers(): void {
    this.looker?.cancel();
    this.looker = null;
    this.takeover?.end();
    this.takeover = null;
    this.clearAgain();
  }

  private clearAgain(): void {
    this.again?.cancel();
    this.again = null;
  }

  private primaryName(): string {
    const { host, port } = this.candidates.current!;
    return addressText(host, port);
  }

  private linkLost(reason: string): HotspareError {
    const copied = this.state === 'copying' ? this.standby?.landedBytes : undefined;
    return linkLost(this.primaryName(), reason, copied);
  }
}

/** Such a node has nothing that could be served: when memory runs short, the one with the only copy must stay. */
function isHalf(state: State): boolean {
  return state === 'attaching' || state === 'copying';
}
