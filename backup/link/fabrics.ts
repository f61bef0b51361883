/**
 * A node's use of libfabric: the link that it can offer a peer, and the passive endpoints that standbys connect to.
 * Each serves one standby at a time, at one address of this machine, and one standby after another.
 */
import { timingSafeEqual } from 'node:crypto';
import { HotspareError } from '../../src/base/errors.js';
import { stagingBytes } from '../../src/base/limits.js';
import { isLoopback } from '../../src/flags/settings.js';
import { failed, type NativeFailure } from '../../src/native/addon.js';
import {
  FabricEvent,
  type FabricFunctions,
  type FabricProvider,
  fabricProviders,
  type NativeFabric,
} from '../../src/native/fabric.js';
import type { Log } from '../../src/process/log.js';
import type { Proof } from '../channel/hello.js';
import { anywhere, type MirrorSettings } from '../mirror-settings.js';
import { chooseLink, type LinkChoice, type LinkOffer, parseOffer } from './link-choice.js';

/** A standby that is expected to connect, with a token that nobody else knows. */
export interface ExpectedStandby {
  readonly token: Uint8Array;
  connected(): void;
  broken(reason: string, revoked: boolean): void;
  completed(): void;
}

/** A passive endpoint of libfabric, and the one standby that is expected there, or connected. */
export class FabricListener {
  readonly native: NativeFabric;
  readonly provider: FabricProvider;
  /** The address of this machine, and the port. */
  readonly host: string;
  readonly port: number;
  expected: ExpectedStandby | null = null;
  /**
   * The standby that has connected. Its token admits no second connection, as a second would end the first without a
   * word.
   */
  private accepted: ExpectedStandby | null = null;

  private constructor(
    native: NativeFabric,
    { provider, host, port }: { provider: FabricProvider; host: string; port: number },
    handlers: { event: (...args: EventArguments) => void },
  ) {
    this.native = native;
    this.provider = provider;
    this.host = host;
    this.port = port;
    handlers.event = (...args) => this.event(...args);
  }

  static open(
    fabric: FabricFunctions,
    provider: FabricProvider,
    host: string,
    { ackTimeoutMs: patienceMs, spinUs }: MirrorSettings,
  ): FabricListener | NativeFailure {
    const handlers = { event: (..._: EventArguments): void => {} };
    const where = { provider, host, port: 0, passive: true };
    const options = { ...where, stagingBytes, patienceMs, spinUs };
    const end = fabric.fabricOpen(options, (...args) => handlers.event(...args));
    if (failed(end)) return end;
    const port = end.listen();
    if (!failed(port)) return new FabricListener(end, { provider, host, port }, handlers);
    end.close();
    return port;
  }

  private event(kind: number, connectionRequest: number, bytes: Buffer, revoked: boolean): void {
    const { expected } = this;
    if (kind === FabricEvent.CONNECTION_REQUEST) {
      // libfabric may pad the private data of a connection request.
      const isAwaited =
        expected !== null && expected !== this.accepted && bytes.length >= expected.token.length;
      if (
        !isAwaited ||
        !timingSafeEqual(bytes.subarray(0, expected.token.length), expected.token)
      ) {
        this.native.reject(connectionRequest);
        return;
      }
      this.accepted = expected;
      const failure = this.native.accept(connectionRequest);
      if (failure !== null) expected.broken(`${failure.call}: ${failure.error}`, false);
    } else if (kind === FabricEvent.CONNECTED) {
      expected?.connected();
    } else if (kind === FabricEvent.BROKEN) {
      expected?.broken(bytes.toString(), revoked);
    } else {
      expected?.completed();
    }
  }
}

type EventArguments = [kind: number, connectionRequest: number, bytes: Buffer, revoked: boolean];

export class Fabrics {
  private readonly fabric: FabricFunctions;
  private readonly mirrorSettings: MirrorSettings;
  private readonly listeners: FabricListener[] = [];
  private readonly offers = new Map<string, LinkOffer>();

  constructor(fabric: FabricFunctions, mirrorSettings: MirrorSettings) {
    this.fabric = fabric;
    this.mirrorSettings = mirrorSettings;
  }

  /** This node's offer to a peer, over the address `host` of this machine or of the peer. */
  offer(host: string, passive: boolean): LinkOffer {
    const known = this.offers.get(host);
    if (known !== undefined) return known;
    const offer = offerAt(this.fabric, this.mirrorSettings, host, passive);
    this.offers.set(host, offer);
    return offer;
  }

  /** The link with a standby that has proved itself, and has come to this address; an error where none suits both. */
  chooseLink(host: string, { transport, providers, lacks }: Proof): LinkChoice | HotspareError {
    return chooseLink(this.offer(host, true), parseOffer(transport, providers, lacks));
  }

  /** A passive endpoint at an address of this machine that serves no standby now. */
  listener(provider: FabricProvider, host: string): FabricListener | NativeFailure {
    const isFree = (one: FabricListener): boolean =>
      one.provider === provider && one.host === host && one.expected === null;
    const known = this.listeners.find(isFree);
    if (known !== undefined) return known;
    const listener = FabricListener.open(this.fabric, provider, host, this.mirrorSettings);
    if (!failed(listener)) this.listeners.push(listener);
    return listener;
  }

  close(): void {
    for (const { native } of this.listeners.splice(0)) native.close();
  }
}

/** The settings that decide which links a node can offer. */
type OfferSettings = Pick<MirrorSettings, 'linkPreference' | 'provider' | 'linkListen'>;

/**
 * Called before a node serves. Throws HotspareError FABRIC where `--transport rdma` is given and this machine cannot do
 * RDMA; warns where it can only over libfabric's tcp provider, as that is for tests.
 */
export function checkRdma(fabric: FabricFunctions, offerSettings: OfferSettings, log: Log): void {
  if (offerSettings.linkPreference === 'tcp') return;
  if (offerSettings.linkPreference === 'auto') {
    // Loading libfabric takes some tenths of a second, so it is loaded now, and not in a handshake or while clients
    // wait.
    offerAt(fabric, offerSettings, offerSettings.linkListen?.host ?? '127.0.0.1', true);
    return;
  }
  const version = fabric.fabricVersion();
  if (failed(version)) throw noFabric(version.error, fabricRemedy(version));
  const host = offerSettings.linkListen?.host;
  if (host === undefined || anywhere.includes(host)) return;
  const { providers, lacks } = offerAt(fabric, offerSettings, host, true);
  if (providers.length === 0) throw noFabric(lacks, 'hotspare doctor says what there is');
  if (offerSettings.provider !== null || providers.includes('verbs')) return;
  log.say(`--transport rdma: ${lacks}; libfabric's tcp provider is slower than --transport tcp`);
}

function noFabric(why: string, remedy: string): HotspareError {
  return new HotspareError('FABRIC', `--transport rdma: ${why}`, remedy);
}

/** The remedy for a libfabric that has not what is needed. */
export const newFabric = 'use libfabric 1.17 or newer, with its providers verbs and tcp';

/** The remedy for a libfabric that cannot be used. */
export function fabricRemedy({ call }: NativeFailure): string {
  if (call === 'build') return 'apt-get install libfabric-dev, then npm run build:native';
  if (call === 'dlopen') return 'apt-get install libfabric1';
  return newFabric;
}

function offerAt(
  fabric: FabricFunctions,
  offerSettings: OfferSettings,
  host: string,
  passive: boolean,
): LinkOffer {
  const { linkPreference, provider: pinned } = offerSettings;
  // With `--transport tcp` libfabric is not needed, and not loaded.
  if (linkPreference === 'tcp') return { linkPreference, providers: [], lacks: '' };
  const version = fabric.fabricVersion();
  if (failed(version)) return { linkPreference, providers: [], lacks: version.error };
  const wanted = fabricProviders.filter((provider) => pinned === null || provider === pinned);
  // libfabric finds a verbs device for a loopback address as well, but no peer reaches it there.
  const possible = wanted.filter((provider) => provider !== 'verbs' || !isLoopback(host));
  const providers = possible.filter(
    (provider) => !failed(fabric.fabricFind({ provider, host, port: 0, passive })),
  );
  const lacks = providers.includes('verbs')
    ? ''
    : wanted.includes('verbs')
      ? `no verbs device for ${host}`
      : `--fabric ${pinned}`;
  return { linkPreference, providers, lacks };
}
