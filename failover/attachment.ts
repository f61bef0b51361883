/**
 * The side of a node that looks for a primary and mirrors it: it connects, pauses between attempts, watches for
 * silence, and knows where a primary may be. It reports to role.ts what it sees, and carries out its actions.
 */

import type { MirrorSettings } from '../backup/mirror-settings.js';
import type { Mirrored, Passer, RedirectOwner } from '../backup/primary/redirect-listener.js';
import { type PrimaryAddress, Standby } from '../backup/standby/standby.js';
import type { HotspareError } from '../src/base/errors.js';
import { attachAgainMsLeast, attachAgainMsMost, copyingMs, helloMs } from '../src/base/limits.js';
import { addressText, isLoopback, type Settings } from '../src/flags/settings.js';
import type { Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { mappingOptions } from '../src/server/region-mapping.js';
import { AddressProbe } from './address-probe.js';
import { Detector } from './detector.js';
import {
  attachedTo,
  connectFailure,
  doubtful,
  linkLost,
  parseLink,
  reignsElsewhere,
  silent,
  tooLate,
  unreachable,
} from './link-errors.js';
import type { LinkPort } from './link-port.js';
import { LogThrottle } from './log-throttle.js';
import type { Observation, VerdictOf } from './observation.js';
import { PrimaryAddresses } from './primary-addresses.js';
import { listensAt } from './reign-announcer.js';
import type { Reporter } from './report.js';
import { holdsNothing, type Role } from './role.js';

/** Reports an observation to role.ts, and returns its verdict. Null once the node has ended. */
export type Observe = <W extends Observation['what']>(
  seen: Extract<Observation, { what: W }>,
) => VerdictOf<W> | null;

export interface AttachmentParts {
  readonly wire: Wire;
  readonly settings: Settings;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  readonly report: Reporter;
  readonly linkPort: LinkPort;
  readonly observe: Observe;
  /** The node's present role. */
  readonly role: () => Role;
}

export class Attachment implements RedirectOwner {
  /** The node whose reign ended this node's newest reign; empty where no reign did, or its node has no name. */
  deposedBy = '';
  /** Where the primary's earlier standbys let others attach, as the newest welcome says. */
  private others: readonly string[] = [];
  /** The error that keeps this node from being a standby. */
  error: () => HotspareError = () => linkLost('its primary', 'not found', undefined);
  /** Why the primary is dead, for the log, and since when this node knows. */
  private death = { reason: (): string => '', atMs: 0 };
  private readonly parts: AttachmentParts;
  private readonly primaryAddresses: PrimaryAddresses;
  private readonly probe: AddressProbe;
  private readonly throttle: LogThrottle;
  /** The address given by `--of`, or null. */
  private named: PrimaryAddress | null = null;
  /** The address that was tried last. */
  private of: PrimaryAddress | null = null;
  private standby: Standby | null = null;
  /** The standby whose copy this node took over with; its lease still counts. */
  private takenOver: Standby | null = null;
  /** The address that came with the newest observation; the action 'follow' turns to it. */
  private lead: PrimaryAddress | null = null;
  private looker: Timer | null = null;
  private detector: Detector | null = null;
  /** The pause before the next attempt to attach, while it lasts. */
  private pause: Timer | null = null;
  private pauseMs = attachAgainMsLeast;

  constructor(parts: AttachmentParts) {
    const { wire, settings, mirrorSettings, log } = parts;
    this.parts = parts;
    this.probe = new AddressProbe(wire, settings, log);
    this.throttle = new LogThrottle(log);
    const { network } = wire.ports;
    const isSelf = (at: PrimaryAddress): boolean =>
      parts.linkPort.isOpen && listensAt(mirrorSettings.linkListen, at, network);
    this.primaryAddresses = new PrimaryAddresses(isSelf);
  }

  /** For how long this node's copy may still be served, in ms; 0 when it may not. */
  get leaseLeftMs(): number {
    const standby = this.standby ?? this.takenOver;
    const now = this.now();
    return standby?.isWhole(now) === true ? standby.leaseEndsMs - now : 0;
  }

  /** The random name of the primary that was taken over from; null while there is none. */
  get takenOverFrom(): string | null {
    return this.takenOver?.primaryNode ?? null;
  }

  /** When the lease ends, by the clock of this machine. */
  get leaseEndsMs(): number {
    return this.standby?.leaseEndsMs ?? 0;
  }

  /** The address at which a primary is mirrored, or looked for. */
  get primaryName(): string {
    return this.of === null ? 'a primary' : nameOf(this.of);
  }

  get addresses(): readonly PrimaryAddress[] {
    return this.primaryAddresses.all;
  }

  /** Where another node may reign when this one does: at the known addresses, and as another heir of its primary. */
  get addressesOfReigns(): readonly PrimaryAddress[] {
    const found = new Map(this.addresses.map((at) => [nameOf(at), at]));
    for (const at of this.others.map(parseLink)) if (at !== null) found.set(nameOf(at), at);
    return [...found.values()];
  }

  /** Begins to look for a primary, at the address given by `--of`. */
  begin(named: PrimaryAddress): void {
    this.named = named;
    this.primaryAddresses.prefer(named);
    this.attach();
  }

  attach(): void {
    const of = this.primaryAddresses.current;
    this.of = of;
    // No address is known yet, as the node that reigns gave none: it may come to this node's own link port.
    if (of === null) {
      this.attachLater();
      return;
    }
    this.endPause();
    this.standby ??= this.newStandby(of);
    this.standby.moveTo(of);
    // While this node looks for a primary, silence counts from each attempt; in a reconnect, from when the lost primary
    // was last heard.
    if (this.parts.role().state === 'looking') this.standby.heardMs = this.now();
    if (this.looker === null) this.watch();
    this.standby.attach();
  }

  /** Tries again, less and less often; logs why, the first time and then once a minute. */
  attachLater(): void {
    this.standby?.hangUp();
    this.endPause();
    if (this.parts.role().state === 'looking') {
      this.throttle.say(this.error(), 'trying again until it can be mirrored', this.now());
      this.parts.report({ event: 'waiting' });
    }
    this.pause = this.after(this.pauseMs, () => this.parts.observe({ what: 'paused' }));
    this.pauseMs = Math.min(this.pauseMs * 2, attachAgainMsMost);
  }

  lookElsewhere(): void {
    this.primaryAddresses.rotate();
  }

  follow(): void {
    if (this.lead !== null) this.primaryAddresses.prefer(this.lead);
  }

  hangUp(): void {
    this.standby?.hangUp();
  }

  revoke(): void {
    this.endPause();
    this.standby!.revoke();
    this.parts.observe({ what: 'revoked' });
  }

  /** Hands over the standby with its whole copy: that copy is this node's own cache from now on. */
  takeOver(): Standby {
    this.endWatch();
    const standby = this.standby!;
    this.takenOver = standby;
    this.standby = null;
    return standby;
  }

  /**
   * This node was told that another node reigns. `link`: where standbys attach to that node. When it is null the node
   * did not say, and was seen at the host `from`, if that is not empty; it is then looked for at our own link port's
   * number, as most nodes of a cluster have the same.
   */
  learn(epoch: number, link: string | null, from: string): void {
    this.lead = link === null ? null : parseLink(link);
    this.error = () => reignsElsewhere(epoch, link);
    if (this.lead !== null || from === '') return;
    this.primaryAddresses.reignsWithoutLink(from, this.ownLinkPort, this.now());
  }

  mirrored(): Mirrored | null {
    if (this.of === null) return null;
    return { node: this.standby?.primaryWelcome?.node ?? null, link: this.primaryName };
  }

  /** A node has come to our link port while this node does not reign. */
  met({ reigns, holds, link, host }: Passer): void {
    const address = link === null ? null : parseLink(link);
    if (reigns) this.metReigning(address, host);
    else if (!holds) this.metSeeker(address, host);
  }

  private metReigning(address: PrimaryAddress | null, host: string): void {
    if (address === null) {
      this.primaryAddresses.reignsWithoutLink(host, this.ownLinkPort, this.now());
      return;
    }
    this.lead = address;
    this.primaryAddresses.add(address);
    const isAsked = this.pause === null && (this.isAt(address) || this.isWelcome);
    this.parts.observe({ what: 'passerReigns', isAsked });
  }

  /** True while this node has no whole copy, and is attaching to this address, or is attached there. */
  asksAt(link: string): boolean {
    const address = parseLink(link);
    const isAsking = this.pause === null && holdsNothing(this.parts.role().state);
    return address !== null && isAsking && this.isAt(address);
  }

  private metSeeker(address: PrimaryAddress | null, host: string): void {
    const now = this.now();
    if (address === null) this.primaryAddresses.seeksWithoutLink(host, now);
    else this.primaryAddresses.seeks(address, now);
    this.parts.observe({ what: 'passerLooks', all: this.primaryAddresses.areAllSeeking(now) });
  }

  sayDoubtful(): void {
    const { reason } = this.death;
    const leaseMs = this.standby?.leaseMs ?? 0;
    this.error = () => doubtful(reason(), leaseMs);
  }

  sayLate(): void {
    this.error = tooLate;
  }

  /** Says why the primary is dead; 'told' follows. */
  reportDead(): void {
    const { log, report, observe } = this.parts;
    const reason = this.death.reason();
    log.say(`primary ${this.primaryName} is dead: ${reason}`);
    report({ event: 'dead', reason }, this.death.atMs);
    observe({ what: 'told' });
  }

  reportSynced(): void {
    this.parts.log.say(`in sync with ${this.primaryName}: ${this.probe.sentence(this.now())}`);
    this.parts.report({ event: 'synced' });
  }

  /** Logs that another node reigns now, and where it is looked for. */
  sayOutranked(epoch: number, link: string | null): void {
    const names = this.addresses.map(nameOf).join(', ');
    const where =
      link === null ? `it did not say where; looking at ${names || 'no address'}` : `at ${link}`;
    this.parts.log.say(`epoch ${epoch} reigns elsewhere now: ${where}`);
  }

  /** Tells the old primary, if it can hear, that this node reigns with this epoch, and where it can attach. */
  depose(epoch: number, link: string | null): void {
    this.takenOver!.depose(epoch, link);
  }

  /** The cache that was taken over is given up. */
  forgetTakenOver(): void {
    this.takenOver = null;
  }

  /** Gives up a copy that is not whole. Resolves once the memory file may be mapped again. */
  async discard(): Promise<void> {
    this.endTimers();
    const { standby } = this;
    this.standby = null;
    await standby?.giveUp();
  }

  /** Ends in order: tells the primary not to wait for this copy. */
  async depart(): Promise<void> {
    this.endTimers();
    await this.standby?.depart();
  }

  endTimers(): void {
    this.endWatch();
    this.endPause();
  }

  private newStandby(of: PrimaryAddress): Standby {
    const { wire, settings, mirrorSettings, log, observe, role, report } = this.parts;
    return new Standby(wire, of, mirrorSettings, mappingOptions(settings), {
      met: (theirs, ours) => {
        this.note(() => `in its place is another cache (${theirs.cache}, epoch ${theirs.epoch})`);
        return observe({ what: 'metCache', theirs, ours }) ?? 'keep';
      },
      welcomed: (welcome, gaveUp) => {
        log.say(attachedTo(this.primaryName, welcome, gaveUp));
        this.others = welcome.others;
        this.pauseMs = attachAgainMsLeast;
        this.throttle.forget();
        this.lookAtAddress();
        report({ event: 'copying', node: mirrorSettings.node, of: welcome.node });
        observe({ what: 'welcomed' });
      },
      synced: () => observe({ what: 'synced' }),
      lost: (reason) => {
        // A node without a copy logs the error itself when it goes on looking, so it is not logged twice.
        const complains = holdsNothing(role().state);
        this.error = this.linkLost(reason);
        observe({ what: 'lost' });
        if (!complains) log.say(`link to ${this.primaryName} lost: ${reason}`);
      },
      unreachable: (errno) => {
        const name = this.primaryName;
        this.error = () => unreachable(name, errno);
        this.note(() => 'connection refused');
        observe(connectFailure(errno, this.isHere()));
      },
      refused: (error, isSure) => this.turnedAway(error, isSure),
      deposedBy: () => this.deposedBy,
      outranked: (epoch, link) => {
        this.learn(epoch, link, '');
        observe({ what: 'outranked' });
        this.sayOutranked(epoch, link);
      },
      dropped: () => {
        this.error = this.linkLost('the primary dropped this standby');
        observe({ what: 'dropped' });
        log.say(
          'dropped: acked too late; raise --ack-timeout on the primary, or give this node more processor',
        );
      },
    });
  }

  private turnedAway(error: HotspareError, isSure: boolean): void {
    const { code, message } = error;
    this.error = () => error;
    // This system could not even begin to connect (no route, no descriptor): that says nothing about the primary.
    if (code === 'LINK_UNREACHABLE') {
      this.parts.observe({ what: 'unreachable' });
      return;
    }
    this.note(() => `in its place is another: ${message}`);
    const why = code === 'LINK_BUSY' ? 'busy' : code.startsWith('LINK_') ? 'peer' : 'own';
    const mayBeElsewhere =
      this.addresses.length > 1 || this.named === null || !this.isAt(this.named);
    this.parts.observe({
      what: 'turnedAway',
      why,
      mayBeElsewhere,
      isSure: isSure || this.isHere(),
    });
  }

  /** Begins to watch for silence, and for this node's own absence. */
  private watch(): void {
    const { heartbeatMs, deadAfterMs } = this.parts.mirrorSettings;
    const lookMs = Math.max(1, Math.min(heartbeatMs, deadAfterMs / 5));
    this.detector = new Detector(lookMs, this.now());
    this.looker = this.parts.wire.ports.timers.every(lookMs, () => this.look());
  }

  private look(): void {
    const { standby, detector, parts } = this;
    const now = this.now();
    if (standby === null || detector === null) return;
    standby.beat(now);
    if (this.probe.isDue(now)) this.lookAtAddress();
    // The heartbeats just read may have ended this standby.
    if (this.standby !== standby) return;
    const ms = now - standby.heardMs;
    const awakeMs = detector.look(now, standby.heardMs);
    const { state } = parts.role();
    if (holdsNothing(state)) {
      const patienceMs = state === 'looking' ? helloMs : copyingMs;
      if (ms > patienceMs) this.error = () => silent(this.primaryName, patienceMs);
    } else {
      this.note(() => `nothing heard for ${Math.round(awakeMs)} ms`);
    }
    const isAsking = this.pause === null;
    parts.observe({ what: 'silence', ms, awakeMs, isAsking });
  }

  /** The primary itself may hold the clients' address, where both nodes are on one machine. */
  private lookAtAddress(): void {
    const welcome = this.standby?.primaryWelcome ?? null;
    if (welcome === null) return;
    const { clientPort: tcp, clientUdpPort: udp, clientPath: path } = welcome;
    const held = this.isHere() ? { tcp, udp, path } : { tcp: 0, udp: 0, path: '' };
    this.probe.look(this.now(), held, () => this.parts.role().state === 'standby');
  }

  /** The port that was asked for with `--link-listen`; 0 where the system chooses one, or there is none. */
  private get ownLinkPort(): number {
    return this.parts.mirrorSettings.linkListen?.port ?? 0;
  }

  /**
   * True when the primary's own link port is on this machine, and nothing stands in between: a refused connection
   * proves its death, and whoever answers there has taken its place. A port forward has an address of this machine,
   * too, and its end says nothing of the primary.
   */
  private isHere(): boolean {
    if (this.of === null || this.standby?.isDirect !== true) return false;
    const { host } = this.of;
    return isLoopback(host) || this.parts.wire.ports.network.isOwnAddress(host) === true;
  }

  /** A primary has let this node in: its copy has begun, or does so once there is memory for it. */
  private get isWelcome(): boolean {
    return this.standby !== null && this.standby.primaryWelcome !== null;
  }

  private isAt(address: PrimaryAddress): boolean {
    return this.of !== null && nameOf(this.of) === nameOf(address);
  }

  private note(reason: () => string): void {
    this.death = { reason, atMs: this.now() };
  }

  private linkLost(reason: string): () => HotspareError {
    const copied = this.parts.role().state === 'copying' ? this.standby?.receivedBytes : undefined;
    const name = this.primaryName;
    return () => linkLost(name, reason, copied);
  }

  private now(): number {
    return this.parts.wire.ports.clock();
  }

  private after(ms: number, then: () => void): Timer {
    return this.parts.wire.ports.timers.after(ms, then);
  }

  private endPause(): void {
    this.pause?.cancel();
    this.pause = null;
  }

  private endWatch(): void {
    this.looker?.cancel();
    this.looker = null;
  }
}

function nameOf({ host, port }: PrimaryAddress): string {
  return addressText(host, port);
}
