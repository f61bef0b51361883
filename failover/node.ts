/**
 * A node: a primary or a standby, each of which may become the other. It reports to role.ts what its parts observe, and
 * carries out the actions that role.ts returns; nothing here decides who serves. Attachment.ts is the side that mirrors
 * a primary, service.ts the side that reigns.
 */
import { checkRdma } from '../backup/link/fabrics.js';
import type { MirrorSettings } from '../backup/mirror-settings.js';
import type { PrimaryAddress } from '../backup/standby/standby.js';
import { assert, HotspareError } from '../src/base/errors.js';
import { challengeMs, drainingMs, linkConnections, oldComesMs } from '../src/base/limits.js';
import type { Settings } from '../src/flags/settings.js';
import type { Ports, Timer } from '../src/native/ports.js';
import { type Access, openAccess } from '../src/net/access.js';
import { checkAddresses } from '../src/net/client-addresses.js';
import { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { mappingOptions } from '../src/server/region-mapping.js';
import { Journal } from '../src/store/journal.js';
import { Region } from '../src/store/region.js';
import { markInconsistent, promote } from '../src/store/superblock.js';
import { Attachment, type Observe } from './attachment.js';
import { LinkPort } from './link-port.js';
import { LogThrottle } from './log-throttle.js';
import type { Action } from './observation.js';
import type { Fenced, Reporter } from './report.js';
import { decide, firstRole, holdsNothing, type Role, type State } from './role.js';
import { openEmpty, openOwn, type ReignName, Service, type ServiceParts } from './service.js';

export interface NodeOptions {
  /** Time, timers, network, memory and randomness. */
  readonly ports: Ports;
  readonly settings: Settings;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  /**
   * Ends the old primary, which does not speak any more but may still hold the address, unless `untilMs` (of
   * `monotonicMs`) has passed. Null without a supervisor; the old primary is then told of the new reign instead
   * (reign-announcer.ts).
   */
  readonly fence: ((untilMs: number) => Promise<Fenced>) | null;
  /** Sends a report to the process that started this one. */
  readonly report: Reporter;
  /** Called with whether this process should be the first that the kernel ends when memory runs short. */
  readonly diesFirstOutOfMemory: (first: boolean) => void;
  /** Ends this process with an error. */
  readonly fail: (error: HotspareError) => void;
}

/** How often connections that drain for too long are looked for. */
const sweepMs = 1000;
/** How often an address that is taken is tried: often at first, as a dead process gives it up within milliseconds. */
const bindRetryMs = 1;
const bindRetriesQuick = 1000;
const bindRetrySlowMs = 100;
/** The length of a turn of a pause that only counts while this node runs. */
const awakeTurnMs = 100;
const awaitingOld =
  'nobody is served yet: this node stood still in its takeover until its lease was over; the old primary may have ' +
  'gone on, and is waited for';

export class Node {
  private readonly options: NodeOptions;
  private readonly ports: Ports;
  private readonly wire: Wire;
  private readonly access: Access;
  private readonly linkPort: LinkPort;
  private readonly throttle: LogThrottle;
  /** Logs transitions that repeat. */
  private readonly transitions: LogThrottle;
  private readonly attachment: Attachment;
  private readonly serviceParts: ServiceParts;
  private role: Role;
  /** The service of this node; null while it does not reign. */
  private service: Service | null = null;
  /** A pause of this node's own, while it lasts; the attachment has its own pauses. */
  private pause: Timer | null = null;
  private bindAttempts = 0;
  /** The random name of the standby whose process has ended last. */
  private deadStandby = '';
  /** The newest sequence that replies of this process ever waited for; a later reign counts on from there. */
  private newestSequence = 0;

  constructor(options: NodeOptions) {
    const { ports, settings, mirrorSettings, log, report } = options;
    this.options = options;
    this.ports = ports;
    this.access = openAccess(settings, log);
    this.wire = new Wire({ connectionsMax: settings.connections + linkConnections, ports });
    this.throttle = new LogThrottle(log);
    this.transitions = new LogThrottle(log);
    this.linkPort = new LinkPort(this.wire, mirrorSettings, log);
    this.role = this.newRole('looking');
    const { wire, linkPort, observe } = this;
    const shared = { wire, settings, mirrorSettings, log, report, linkPort, observe };
    this.attachment = new Attachment({ ...shared, role: () => this.role });
    this.serviceParts = {
      ...shared,
      access: this.access,
      outranked: (by, link, from) => this.outranked(by, link, from),
      isOld: (node, deposedBy) =>
        node === this.attachment.takenOverFrom && deposedBy === mirrorSettings.node,
    };
    this.ports.timers.every(sweepMs, () => this.wire.transport.sweep(drainingMs), false);
  }

  /**
   * Serves a new region, or the one in the memory file. A node that others may attach to waits for a moment before it
   * answers clients: a node that took its place while it was away says so. Throws HotspareError.
   */
  startPrimary(): void {
    const { settings, mirrorSettings, log } = this.options;
    // A node without a link needs no fabric, and loading one takes some tenths of a second.
    if (mirrorSettings.linkListen !== null || mirrorSettings.linkPreference === 'rdma')
      checkRdma(this.ports.network.fabric, mirrorSettings, log);
    this.role = this.newRole('starting');
    const service = this.open(openOwn(this.serviceParts, mappingOptions(settings)));
    service.bind();
    this.linkPort.open(service.primary);
    this.observe({ what: 'opened', isAttachable: service.primary !== null });
  }

  /** Mirrors a primary, and serves when it dies. Throws HotspareError when this node could not serve. */
  startStandby(of: PrimaryAddress): void {
    const { mirrorSettings, log } = this.options;
    checkRdma(this.ports.network.fabric, mirrorSettings, log);
    checkAddresses(this.wire, this.options.settings);
    this.options.diesFirstOutOfMemory(holdsNothing(this.role.state));
    this.attachment.begin(of);
  }

  /** The process of this standby has ended: a primary that lost it need not wait for it. */
  standbyIsDead(node: string): void {
    this.deadStandby = node;
    this.observe({ what: 'standbyDied' });
  }

  /** The supervisor says that another node reigns with this epoch, and where standbys attach to it. */
  reignsElsewhere(epoch: number, link: string): void {
    const { attachment } = this;
    if (attachment.asksAt(link)) return;
    attachment.hangUp();
    attachment.learn(epoch, link, '');
    this.observe({ what: 'outranked' });
    attachment.sayOutranked(epoch, link);
  }

  /** The newest ack latencies of a primary, in ns. */
  latencies(): Uint32Array {
    return this.service?.primary?.unacked.latencies.newest() ?? new Uint32Array(0);
  }

  /** SIGHUP: reads again which clients may use the cache. */
  reload(): void {
    this.access.credentials?.reload();
  }

  /** Ends in order: closes clients and links. Resolves when the primary that counts on this node has heard it. */
  async stop(): Promise<void> {
    this.observe({ what: 'stopped' });
    this.endPause();
    this.service?.endAnnouncers();
    this.linkPort.close();
    await this.attachment.depart();
    this.service?.depose();
    this.wire.transport.destroy();
    // A disk may take its time, so the file is written last, when all others know that this node is gone.
    this.service?.flush();
  }

  private newRole(state: 'starting' | 'looking'): Role {
    const { fence, mirrorSettings } = this.options;
    return firstRole(state, {
      isSupervised: fence !== null,
      standbysMost: mirrorSettings.standbysMost,
      deadAfterMs: mirrorSettings.deadAfterMs,
    });
  }

  private readonly observe: Observe = (seen) => {
    const before = this.role;
    if (before.state === 'ended') return null;
    // The lease is read at this very moment, and the actions decided by it are done with nothing in between.
    const { role, actions, verdict } = decide(before, seen, this.attachment.leaseLeftMs);
    this.role = role;
    for (const action of actions) this.act(action);
    if (actions.length === 0 && role.state === before.state) return verdict;
    this.options.diesFirstOutOfMemory(holdsNothing(this.role.state));
    // The log is written behind the actions, as writing may block.
    this.logTransition(`${before.state}: ${seen.what} → ${role.state}`, before.state, role.state);
    return verdict;
  };

  /** Attempts that lead nowhere may follow each other a thousand times a second; each is logged once a minute. */
  private logTransition(line: string, from: State, to: State): void {
    if (from === to || (wantsAddress(from) && wantsAddress(to))) {
      this.transitions.detail(line, this.ports.clock());
      return;
    }
    this.transitions.forget();
    this.options.log.detail(line);
  }

  private act(action: Action): void {
    switch (action) {
      case 'promote':
        this.promote();
        return;
      case 'depose':
        this.attachment.depose(this.service!.epoch, this.linkPort.advertised);
        return;
      case 'announce':
        this.service!.setWhole(true);
        this.service!.announce(this.attachment.addressesOfReigns);
        this.observe({ what: 'announced' });
        return;
      case 'reportDead':
        this.attachment.reportDead();
        return;
      case 'leadOn':
        this.linkPort.redirect(this.attachment);
        return;
      case 'closeLinkPort':
        this.linkPort.close();
        return;
      case 'endOld':
        this.endOld();
        return;
      case 'bind':
        this.endPause();
        this.bind();
        return;
      case 'bindLater':
        this.pauseFor(this.bindAttempts < bindRetriesQuick ? bindRetryMs : bindRetrySlowMs);
        return;
      case 'ask':
        this.service!.ask();
        return;
      case 'awaitOld':
        this.service!.setWhole(false);
        this.service!.endAnnouncers();
        this.options.log.say(awaitingOld);
        this.pauseAwake(oldComesMs);
        return;
      case 'awaitChallenge':
        this.pauseAwake(challengeMs);
        return;
      case 'serve':
        this.wire.pause('starting', false);
        return;
      case 'beginAnew':
        this.beginAnew();
        return;
      case 'retire':
        this.retire();
        return;
      case 'forgetStandby':
        this.service!.primary?.standbyIsDead(this.deadStandby);
        return;
      case 'reportServing':
        this.service!.reportServing();
        return;
      case 'fail':
        this.options.fail(this.attachment.error());
        return;
      default:
        this.attachment[action]();
    }
  }

  /** The new reign begins: no client is served yet, but standbys can attach. */
  private promote(): void {
    const { nativeRegion, geometry, sequence } = this.attachment.takeOver();
    assert(nativeRegion !== null && geometry !== null, 'only a whole copy takes over');
    const region = new Region(nativeRegion, geometry, new Journal());
    promote(region, this.role.epochMet);
    markInconsistent(region.head, false);
    this.newestSequence = Math.max(sequence, this.newestSequence);
    this.bindAttempts = 0;
    // Clients that come before the lease was looked at for the last time wait for their answers.
    this.wire.pause('starting', true);
    this.service = this.newService(nativeRegion, region, 'primary');
    this.linkPort.openOrTryOn(this.service.primary);
  }

  private endOld(): void {
    this.options.fence!(this.attachment.leaseEndsMs).then(
      (fenced) => void this.observe({ what: fenced }),
      () => void this.observe({ what: 'oldLives' }),
    );
  }

  /**
   * Binding may fail for a moment, until the kernel has freed a dead process's sockets; or longer, while another
   * process holds the address.
   */
  private bind(): void {
    const error = this.service!.tryToBind();
    if (error === null) {
      this.observe({ what: 'bound' });
      return;
    }
    if (this.bindAttempts === 0) this.throttle.forget();
    this.bindAttempts++;
    this.throttle.say(error, 'trying on: this node holds the cache', this.ports.clock());
    this.observe({ what: 'bindFailed' });
  }

  /** No node holds the cache any more: this node, which was started to serve, serves an empty one. */
  private beginAnew(): void {
    this.options.log.say(
      'the cache is lost: every node that is known looks for a primary, and none holds a copy; beginning anew, empty',
    );
    void this.attachment.discard().then(() => this.openAnew());
  }

  private openAnew(): void {
    const { settings } = this.options;
    if (this.role.state !== 'starting') return;
    try {
      // The file may hold a copy, or the cache of a reign that has ended: a primary's copy would have replaced it.
      const { primary } = this.open(openEmpty(this.serviceParts, mappingOptions(settings)));
      this.bindAttempts = 0;
      this.linkPort.openOrTryOn(primary);
      this.observe({ what: 'opened', isAttachable: primary !== null });
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.attachment.error = () => error;
      this.observe({ what: 'openFailed' });
    }
  }

  /** Opens the service of a cache of this node's own; clients are not answered yet. */
  private open({ nativeRegion, region }: ReturnType<typeof openOwn>): Service {
    this.service = this.newService(nativeRegion, region, 'here');
    this.wire.pause('starting', true);
    return this.service;
  }

  private newService(
    nativeRegion: ReturnType<typeof openOwn>['nativeRegion'],
    region: Region,
    origin: 'here' | 'primary',
  ): Service {
    const sequence = this.newestSequence;
    return new Service(this.serviceParts, { nativeRegion, region, sequence, origin });
  }

  /** Law 4: a node that knows that another reign goes on answers nobody, and looks for that reign's node. */
  private outranked({ epoch, node }: ReignName, link: string | null, from: string): void {
    this.options.report({ event: 'deposed', epoch });
    this.attachment.deposedBy = node;
    this.attachment.learn(epoch, link, from);
    this.observe({ what: 'outranked' });
    if (link === null) this.attachment.sayOutranked(epoch, link);
  }

  private retire(): void {
    const { service, attachment } = this;
    this.endPause();
    attachment.endTimers();
    attachment.forgetTakenOver();
    if (service !== null) this.newestSequence = Math.max(this.newestSequence, service.sequence);
    service?.depose();
    this.wire.pause('starting', false);
    service?.close();
    this.service = null;
  }

  /**
   * Pauses until this node has run for so long. It pauses in short turns, and a turn in which the node stood still does
   * not count, so that what has come meanwhile is read before the pause is over. A node that stands still in most turns
   * pauses ten times as long at most.
   */
  private pauseAwake(ms: number, untilMs = this.ports.clock() + 10 * ms): void {
    this.endPause();
    const begunMs = this.ports.clock();
    this.pause = this.ports.timers.after(awakeTurnMs, () => {
      const now = this.ports.clock();
      const leftMs = now - begunMs < 2 * awakeTurnMs ? ms - awakeTurnMs : ms;
      if (leftMs > 0 && now < untilMs) this.pauseAwake(leftMs, untilMs);
      else this.observe({ what: 'paused' });
    });
  }

  private pauseFor(ms: number): void {
    this.endPause();
    this.pause = this.ports.timers.after(ms, () => this.observe({ what: 'paused' }));
  }

  private endPause(): void {
    this.pause?.cancel();
    this.pause = null;
  }
}

/** The node reigns, and tries to have the clients' address. */
function wantsAddress(state: State): boolean {
  return state === 'binding' || state === 'asking';
}
