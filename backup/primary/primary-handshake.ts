/**
 * The primary's side of the handshake: one instance per connection that came in, until it has proved itself or is sent
 * away with a reason. Not a byte of the cache, nor anything about it, leaves before the proof.
 */
import { HotspareError } from '../../src/base/errors.js';
import type { Wire } from '../../src/net/wire.js';
import { layoutVersion } from '../../src/store/layout.js';
import { Channel, type ChannelOwner } from '../channel/channel.js';
import { agreed, type CipherWish, wishOf } from '../channel/cipher.js';
import { type FrameHeader, FrameType, protocolVersion } from '../channel/frame.js';
import { nonce, type Proof, parse } from '../channel/hello.js';
import { isProved, type SessionKeys, sessionKeys, withProof } from '../channel/proof.js';
import type { MirrorSettings } from '../mirror-settings.js';

/** What a handshake needs to know of its node. */
export type Credentials = Pick<MirrorSettings, 'secret' | 'cipher'>;

export interface HandshakeEvents {
  /** A hello that makes sense has come; a proof must follow. */
  greeted(handshake: PrimaryHandshake): void;
  /** The peer knows the secret. The channel is the receiver's once it has set `owner`; until then it may wait. */
  proved(handshake: PrimaryHandshake, proof: Proof): void;
  /** It was refused; a sentence for the log. What it was told is on its way: it may close, or be closed later. */
  refused(handshake: PrimaryHandshake, reason: string): void;
  /** The connection ended before that; a sentence for the log, unless it was refused before. */
  ended(handshake: PrimaryHandshake, reason: string | null): void;
  /** It has an owner, who gets all that comes. */
  owned(handshake: PrimaryHandshake): void;
}

/** What to do about two versions. */
export const sameVersion = 'run the same version of hotspare on both nodes';

/** What has been said so far, by the letter, and what follows from it. */
interface Transcript {
  readonly hello: Uint8Array;
  readonly challenge: Uint8Array;
  readonly keys: SessionKeys;
  readonly sealed: boolean;
}

export class PrimaryHandshake implements ChannelOwner {
  readonly channel: Channel;
  private nextOwner: ChannelOwner | null = null;
  private readonly random: (bytes: number) => Buffer;
  private readonly credentials: Credentials;
  private readonly events: HandshakeEvents;
  /** Null before a hello has come. */
  private transcript: Transcript | null = null;
  private proven = false;

  constructor(wire: Wire, connection: number, credentials: Credentials, events: HandshakeEvents) {
    this.channel = new Channel(wire, connection, this);
    this.random = wire.ports.random;
    this.credentials = credentials;
    this.events = events;
  }

  /** Who gets the channel's frames once the peer has proved itself. */
  get owner(): ChannelOwner | null {
    return this.nextOwner;
  }

  set owner(owner: ChannelOwner) {
    this.nextOwner = owner;
    this.events.owned(this);
  }

  frameReceived(header: FrameHeader, bytes: Uint8Array, at: number): void {
    if (this.nextOwner !== null) {
      this.nextOwner.frameReceived(header, bytes, at);
      return;
    }
    const payload = bytes.subarray(at, at + header.length);
    if (header.type === FrameType.HELLO && this.transcript === null) this.hello(payload);
    else if (header.type === FrameType.PROOF && this.transcript !== null && !this.proven) {
      this.proof(this.transcript, payload);
    } else this.refuse(unexpected(header.type));
  }

  inputDrained(): void {
    this.nextOwner?.inputDrained();
  }

  foreignVersion(version: number): void {
    const sentence = `the peer's frames have version ${version}, ours ${protocolVersion}`;
    if (this.nextOwner !== null) this.nextOwner.channelLost(sentence);
    else this.refuse(new HotspareError('LINK_VERSION', sentence, sameVersion));
  }

  channelLost(reason: string): void {
    if (this.nextOwner !== null) this.nextOwner.channelLost(reason);
    else if (this.channel.muted) this.events.ended(this, null);
    else if (this.proven) this.events.ended(this, `${reason} while it waited`);
    else if (this.transcript === null) this.events.ended(this, reason);
    else this.events.ended(this, `${reason} at our proof (give both nodes the same --secret-file)`);
  }

  /** Tells the peer why it may not come in, and hears no more of it. It closes; the door closes those that do not. */
  refuse(error: HotspareError): void {
    const { code, message, remedy } = error;
    this.channel.sendMessage(FrameType.REFUSED, { code, reason: message, remedy });
    this.channel.muted = true;
    this.events.refused(this, message);
  }

  /** The same to one that has proved itself, which the door knows no more. */
  refuseAndClose(error: HotspareError): void {
    this.refuse(error);
    this.channel.close(true);
    this.events.ended(this, null);
  }

  private hello(payload: Uint8Array): void {
    const versions = parse('versions', payload);
    if (versions === null) {
      this.refuse(unexpected(FrameType.HELLO));
      return;
    }
    const { protocol, layout } = versions;
    if (protocol !== protocolVersion || layout !== layoutVersion) {
      const theirs = `protocol ${protocol}, layout ${layout}`;
      const ours = `protocol ${protocolVersion}, layout ${layoutVersion}`;
      const sentence = `the standby speaks ${theirs}, the primary ${ours}`;
      this.refuse(new HotspareError('LINK_VERSION', sentence, sameVersion));
      return;
    }
    const hello = parse('hello', payload);
    if (hello === null) {
      this.refuse(unexpected(FrameType.HELLO));
      return;
    }
    const { secret, cipher: flag } = this.credentials;
    const wish = wishOf(flag, secret, this.channel.localHost, this.channel.peerHost);
    const cipher = agreed(hello.cipher, wish);
    if (cipher === null) {
      this.refuse(otherCiphers(hello.cipher, wish));
      return;
    }
    const ours = nonce(this.random);
    const keys = sessionKeys(secret, hello.nonce, ours);
    const helloBytes = payload.slice();
    const challenge = withProof(keys.proof, 'primary', [helloBytes], { nonce: ours, cipher });
    this.channel.sendPayload(FrameType.CHALLENGE, challenge);
    const sealed = cipher === 'aes-gcm';
    this.transcript = { hello: helloBytes, challenge, keys, sealed };
    if (sealed) this.channel.sealWith(keys.toStandby);
    this.events.greeted(this);
  }

  private proof({ hello, challenge, keys, sealed }: Transcript, payload: Uint8Array): void {
    const proof = parse('proof', payload);
    if (proof === null || !isProved(keys.proof, 'standby', [hello, challenge], payload)) {
      this.refuse(wrongSecret('the standby'));
      return;
    }
    this.proven = true;
    if (sealed) this.channel.openWith(keys.toPrimary);
    this.events.proved(this, proof);
  }
}

/** One sees no need to encrypt, and will not; the other insists. */
function otherCiphers(standby: CipherWish, primary: CipherWish): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `the standby wants --link-cipher ${standby}, the primary ${primary}`,
    'give both nodes the same --link-cipher',
  );
}

export function wrongSecret(who: string): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `${who} does not know the secret`,
    'give both nodes the same --secret-file',
  );
}

/** One standby at a time. */
export function taken(standby: string): HotspareError {
  return new HotspareError(
    'LINK_BUSY',
    `the primary already has a standby (${standby}): it takes one standby; more than two nodes need a ` +
      'witness, which this version does not have',
    'stop that standby first',
  );
}

/** Two caches whose epochs say nothing about which of them came after the other. */
export function noHeir(epoch: number, theirs: number): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `epoch ${epoch} reigns here, and epoch ${theirs} is not newer`,
    'two nodes serve two caches: end one of them',
  );
}

function unexpected(type: number): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `a frame of type ${type} was not expected here`,
    'connect a hotspare standby to this port, nothing else',
  );
}
