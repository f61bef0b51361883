/**
 * The side of a node that looks for a primary and mirrors it: it connects, pauses between attempts, listens for
 * silence, and knows where a primary may be. It reports what it sees, and does what role.ts says.
 */

import type { MirrorSettings } from '../backup/mirror-settings.js';
import type { Mirrored, Passer, RedirectOwner } from '../backup/primary/redirect-listener.js';
import { type PrimaryAddress, Standby } from '../backup/standby/standby.js';
import type { HotspareError } from '../src/base/errors.js';
import { attachAgainMsLeast, attachAgainMsMost, copyingMs, helloMs } from '../src/base/limits.js';
import { addressText, isLoopback, type Settings } from '../src/flags/options.js';
import type { Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { memoryOptions } from '../src/server/memory.js';
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
import { PrimaryAddresses } from './primary-addresses.js';
import { listensAt } from './reign-announcer.js';
import type { Reporter } from './report.js';
import { holdsNothing, type Observation, type Role, type VerdictOf } from './role.js';

/** Takes what was seen to role.ts. Null: the node has ended. */
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
  /** What the node is, for what is said. */
  readonly role: () => Role;
}

export class Attachment implements RedirectOwner {
  /** What keeps this node from being a standby. */
  error: () => HotspareError = () => linkLost('its primary', 'not found', undefined);
  /** Why the primary is dead, in words, and since when this node knows. */
  private death = { reason: (): string => '', atMs: 0 };
  private readonly parts: AttachmentParts;
  private readonly primaryAddresses: PrimaryAddresses;
  private readonly probe: AddressProbe;
  private readonly throttle: LogThrottle;
  /** The address that the operator named, if he named one. */
  private named: PrimaryAddress | null = null;
  /** Where this node has looked last. */
  private of: PrimaryAddress | null = null;
  private standby: Standby | null = null;
  /** The end of the mirror whose copy this node has taken over with: its lease goes on. */
  private takenOver: Standby | null = null;
  /** The address that came with the newest observation. */
  private lead: PrimaryAddress | null = null;
  private looker: Timer | null = null;
  private detector: Detector | null = null;
  /** While set, the next attempt to attach is still to come. */
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

  /** For how long what this node holds may be served, in ms; 0 when it may not. */
  get leaseLeftMs(): number {
    const standby = this.standby ?? this.takenOver;
    const now = this.now();
    return standby?.isWhole(now) === true ? standby.leaseEndsMs - now : 0;
  }

  /** When that ends, by the clock of this machine. */
  get leaseEndsMs(): number {
    return this.standby?.leaseEndsMs ?? 0;
  }

  /** Where the primary is mirrored, or looked for. */
  get primaryName(): string {
    return this.of === null ? 'a primary' : nameOf(this.of);
  }

  get addresses(): readonly PrimaryAddress[] {
    return this.primaryAddresses.all;
  }

  /** Looks for a primary where the operator says that there is one. */
  begin(named: PrimaryAddress): void {
    this.named = named;
    this.primaryAddresses.prefer(named);
    this.attach();
  }

  attach(): void {
    const of = this.primaryAddresses.current;
    this.of = of;
    // Whoever reigns did not say where, and nobody else is known: this node's own link port may be found.
    if (of === null) {
      this.attachLater();
      return;
    }
    this.endPause();
    this.standby ??= this.newStandby(of);
    this.standby.moveTo(of);
    // A reconnect does not count as having heard something.
    if (this.parts.role().state === 'looking') this.standby.heardMs = this.now();
    if (this.looker === null) this.watch();
    this.standby.attach();
  }

  /** Tries again, less and less often; says why it has to, the first time and then now and then. */
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

  /** The primary's end is over: what it has left is this node's own from now on. Only of a whole copy. */
  takeOver(): Standby {
    this.endWatch();
    const standby = this.standby!;
    this.takenOver = standby;
    this.standby = null;
    return standby;
  }

  /**
   * Another node reigns, as we are told. `link`: where standbys attach to it; null: it did not say, and it was seen at
   * the host `from`, if that is not empty. Most nodes of a cluster have one link port.
   */
  learn(epoch: number, link: string | null, from: string): void {
    const { linkListen } = this.parts.mirrorSettings;
    this.lead = link === null ? null : parseLink(link);
    this.error = () => reignsElsewhere(epoch, link);
    if (this.lead !== null || from === '' || linkListen === null || linkListen.port === 0) return;
    this.primaryAddresses.add({ host: from, port: linkListen.port });
  }

  mirrored(): Mirrored | null {
    if (this.of === null) return null;
    return { node: this.standby?.primaryWelcome?.node ?? null, link: this.primaryName };
  }

  /** A node has come to our link port while we do not reign. */
  met({ reigns, holds, link }: Passer): void {
    const address = link === null ? null : parseLink(link);
    if (address === null || (!reigns && holds)) return;
    this.lead = address;
    if (reigns) {
      this.primaryAddresses.add(address);
      const isAsked = this.pause === null && (this.isAt(address) || this.isWelcome);
      this.parts.observe({ what: 'passerReigns', isAsked });
    } else {
      this.primaryAddresses.seeks(address, this.now());
      const all = this.primaryAddresses.areAllSeeking(this.now());
      this.parts.observe({ what: 'passerLooks', all });
    }
  }

  sayDoubtful(): void {
    const { reason } = this.death;
    const leaseMs = this.standby?.leaseMs ?? 0;
    this.error = () => doubtful(reason(), leaseMs);
  }

  sayLate(): void {
    this.error = tooLate;
  }

  /** 'told' follows. */
  reportDead(): void {
    const { log, report, observe } = this.parts;
    const reason = this.death.reason();
    log.say(`primary ${this.primaryName} is dead: ${reason}`);
    report({ event: 'dead', reason }, this.death.atMs);
    observe({ what: 'told' });
  }

  reportSynced(): void {
    this.parts.log.say(`in sync with ${this.primaryName}: ${this.probe.sentence}`);
    this.parts.report({ event: 'synced' });
  }

  /** Says who reigns now, and where it is looked for. */
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

  /** What was taken over is given up. */
  forgetTakenOver(): void {
    this.takenOver = null;
  }

  /** Gives up what it holds, which is not whole. Resolves once the memory file may be mapped again. */
  async discard(): Promise<void> {
    this.endTimers();
    const { standby } = this;
    this.standby = null;
    await standby?.giveUp();
  }

  /** Ends in order: the primary need not wait for this copy any more. */
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
    return new Standby(wire, of, mirrorSettings, memoryOptions(settings), {
      met: (theirs, ours) => {
        this.note(() => `in its place is another cache (${theirs.cache}, epoch ${theirs.epoch})`);
        return observe({ what: 'metCache', theirs, ours }) ?? 'keep';
      },
      welcomed: (welcome, gaveUp) => {
        log.say(attachedTo(this.primaryName, welcome, gaveUp));
        this.pauseMs = attachAgainMsLeast;
        this.throttle.forget();
        this.lookAtAddress();
        report({ event: 'copying' });
        observe({ what: 'welcomed' });
      },
      synced: () => observe({ what: 'synced' }),
      lost: (reason) => {
        // Whoever has nothing in hand says why he goes on looking.
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
      refused: (error) => this.turnedAway(error),
      outranked: (epoch, link) => {
        this.learn(epoch, link, '');
        observe({ what: 'outranked' });
        this.sayOutranked(epoch, link);
      },
      dropped: () => {
        this.error = this.linkLost('the primary dropped this standby');
        observe({ what: 'dropped' });
        log.say('dropped: acked too late; raise --ack-timeout on the primary, or add processor');
      },
    });
  }

  private turnedAway(error: HotspareError): void {
    const { code, message } = error;
    this.error = () => error;
    // Our own system could not even begin to connect (no route, no descriptor): that says nothing of the primary.
    if (code === 'LINK_UNREACHABLE') {
      this.parts.observe({ what: 'unreachable' });
      return;
    }
    this.note(() => `in its place is another: ${message}`);
    const why = code === 'LINK_BUSY' ? 'busy' : code.startsWith('LINK_') ? 'peer' : 'own';
    const mayBeElsewhere =
      this.addresses.length > 1 || this.named === null || !this.isAt(this.named);
    this.parts.observe({ what: 'turnedAway', why, mayBeElsewhere });
  }

  /** Listens for silence, and notes this node's own absence. */
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
    // What landed just now may have ended the connection, or more.
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
    const clientPort = this.standby?.primaryWelcome?.clientPort;
    if (clientPort === undefined) return;
    const shared = this.isHere() && clientPort === this.parts.settings.port;
    this.probe.look(this.now(), shared, this.parts.role().state === 'standby');
  }

  /** True when the primary's link is on this machine: then a refusal is proof of its death. */
  private isHere(): boolean {
    if (this.of === null) return false;
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
