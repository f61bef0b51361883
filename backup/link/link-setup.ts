/**
 * Sets up the primary's end of a link. The TCP link is there with the standby's first ack, which the standby sends once
 * it has mapped its memory. For the RDMA link the WELCOME names a port and a token; the standby connects there with the
 * token, and then says over the proved node-to-node connection where its memory is registered (MEMORY). When RDMA
 * cannot be had, the TCP link takes its place, unless `--transport rdma` forbids.
 */
import { HotspareError } from '../../src/base/errors.js';
import { copyingMs } from '../../src/base/limits.js';
import { failed } from '../../src/native/addon.js';
import type { Timer } from '../../src/native/ports.js';
import type { Wire } from '../../src/net/wire.js';
import { SuperWord, superblockBytes } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';
import { epochOf, identityOf } from '../../src/store/superblock.js';
import type { Channel } from '../channel/channel.js';
import { FrameType } from '../channel/frame.js';
import {
  type ClientAddresses,
  type MemoryRegistration,
  parse,
  type Welcome,
} from '../channel/hello.js';
import type { MirrorSettings } from '../mirror-settings.js';
import type { ExpectedStandby, FabricListener, Fabrics } from './fabrics.js';
import type { LinkEvents } from './link.js';
import type { LinkChoice } from './link-choice.js';
import { RdmaLink } from './rdma.js';
import { TcpLink } from './tcp.js';

/** The node's own half of the superblock, from and to; all bytes of the region but these are mirrored. */
export const mirroredSpan = [SuperWord.NODE * 4, superblockBytes] as const;

const tokenBytes = 32;

/** The fields of the WELCOME that describe the link. */
type LinkWelcome = Pick<Welcome, 'provider' | 'fabricPort' | 'token' | 'why'>;

export interface LinkSetupParts {
  readonly wire: Wire;
  readonly channel: Channel;
  readonly region: Region;
  /** The region's number in the addon. */
  readonly regionId: number;
  readonly mirrorSettings: MirrorSettings;
  readonly fabrics: Fabrics;
  /** Sequence of the newest batch; the first one that the standby gets follows the newest as the link opens. */
  readonly sequence: () => number;
  readonly clients: ClientAddresses;
  /** Link addresses of other nodes that were standbys. */
  readonly others: readonly string[];
  readonly events: LinkEvents;
}

export class LinkSetup {
  /** Why this link was chosen, or another took its place. */
  why: string;
  private readonly link: LinkWelcome;
  private readonly parts: LinkSetupParts;
  private readonly listener: FabricListener | null;
  private readonly expected: ExpectedStandby | null = null;
  private timer: Timer | null = null;
  private connected = false;
  /** Set once RDMA is out of the question: the TCP link carries, or no link does. */
  private isDecided = false;
  private registration: MemoryRegistration | null = null;
  private open: RdmaLink | null = null;

  constructor(parts: LinkSetupParts, choice: LinkChoice) {
    this.parts = parts;
    const { provider } = choice;
    const host = parts.channel.localHost;
    const listener = provider === null ? null : parts.fabrics.listener(provider, host);
    const token = parts.wire.ports.random(tokenBytes);
    let { why } = choice;
    if (listener !== null && failed(listener)) {
      why = `${provider} does not open at ${host}: ${listener.call}: ${listener.error}`;
      this.listener = null;
    } else {
      this.listener = listener;
    }
    this.why = why;
    this.link = {
      provider: this.listener?.provider ?? '',
      fabricPort: this.listener?.port ?? 0,
      token: token.toString('hex'),
      why,
    };
    if (this.listener !== null) {
      this.listener.expected = this.expected = {
        token,
        connected: () => {
          this.connected = true;
          this.complete();
        },
        broken: (reason, revoked) => this.broken(reason, revoked),
        completed: () => this.open?.poll(),
      };
    }
  }

  /** Sends the WELCOME; `opened` or `refused` follows. */
  start(): void {
    const { region, mirrorSettings, channel, clients, others } = this.parts;
    const welcome: Welcome = {
      node: mirrorSettings.node,
      cache: identityOf(region.head),
      epoch: epochOf(region.head),
      geometry: region.geometry,
      ackTimeoutMs: mirrorSettings.ackTimeoutMs,
      heartbeatMs: mirrorSettings.heartbeatMs,
      ...clients,
      others,
      seenStandby: channel.peer,
      seenPrimary: channel.local,
      ...this.link,
    };
    channel.sendMessage(FrameType.WELCOME, welcome, welcome.epoch);
    if (this.listener === null && mirrorSettings.linkPreference === 'rdma') {
      this.fallBack(this.why);
      return;
    }
    // Reserving or wiping a large memory file takes long. Over RDMA the standby gives up sooner, and says so.
    const late = (): void => this.parts.events.broken('it did not open its memory in time', false);
    this.timer = this.parts.wire.ports.timers.after(copyingMs, late);
  }

  /** The standby acks before it was sent a batch: its memory is mapped. False when no such ack was awaited. */
  firstAckReceived(type: number): boolean {
    if (type !== FrameType.ACK || this.listener !== null || this.isDecided) return false;
    this.fallBack(this.why);
    return true;
  }

  /** The standby says where its memory is registered, or why it is not. False when the message makes no sense. */
  registrationReceived(payload: Uint8Array): boolean {
    const registration = parse('memory', payload);
    if (registration === null || this.listener === null || this.open !== null) return false;
    if (registration.failure !== '') {
      this.fallBack(`the standby: ${registration.failure}`);
      return true;
    }
    this.registration = registration;
    this.complete();
    return true;
  }

  close(): void {
    this.timer?.cancel();
    this.timer = null;
    if (this.listener === null || this.listener.expected !== this.expected) return;
    this.listener.expected = null;
    this.listener.native.disconnect();
  }

  private complete(): void {
    const { parts, listener, registration } = this;
    if (!this.connected || registration === null || listener === null || this.open !== null) return;
    this.timer?.cancel();
    listener.native.aim(parts.regionId, ...mirroredSpan, registration.parts);
    const { channel, events } = parts;
    this.open = new RdmaLink(listener.native, listener.provider, channel, this.begin(), events);
    events.opened(this.open);
  }

  /** Tells the standby behind which batch its copy begins; returns that batch's sequence. */
  private begin(): number {
    const { channel, region } = this.parts;
    const sequence = this.parts.sequence();
    channel.send({ type: FrameType.BEGIN, epoch: epochOf(region.head), sequence });
    return sequence;
  }

  private broken(reason: string, revoked: boolean): void {
    this.connected = false;
    // Before the link is open the standby notices by itself, and reports the failure in its MEMORY message.
    if (this.open !== null) this.parts.events.broken(reason, revoked);
  }

  private fallBack(why: string): void {
    this.isDecided = true;
    this.close();
    this.why = why;
    const { mirrorSettings, wire, channel, region, events } = this.parts;
    if (mirrorSettings.linkPreference === 'rdma') {
      events.refused(
        new HotspareError(
          'LINK_REFUSED',
          `no RDMA link: ${why}`,
          'run hotspare doctor on both nodes',
        ),
      );
    } else {
      this.begin();
      events.opened(new TcpLink(wire, channel, region, events));
    }
  }
}
