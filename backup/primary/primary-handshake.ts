/**
 * The primary's side of the handshake: one instance for each incoming connection, until the peer has proved itself or
 * is refused with a reason. Not a byte of the cache, nor anything about it, leaves before the proof.
 */
import { HotspareError } from '../../src/base/errors.js';
import type { Wire } from '../../src/net/wire.js';
import { layoutVersion } from '../../src/store/layout.js';
import { Channel, type ChannelOwner } from '../channel/channel.js';
import { agreed, type CipherWish, type HandshakeSettings, wishOf } from '../channel/cipher.js';
import { type FrameHeader, FrameType, protocolVersion } from '../channel/frame.js';
import {
  nonce,
  type Proof,
  parse,
  type Refusal,
  sameVersion,
  wrongSecret,
} from '../channel/hello.js';
import { isProved, type SessionKeys, sessionKeys, withProof } from '../channel/proof.js';

export interface HandshakeEvents {
  /** A valid HELLO has come; a proof must follow. */
  greeted(handshake: PrimaryHandshake): void;
  /** The peer knows the secret. The channel may wait until an owner is set, and is the owner's from then on. */
  proved(handshake: PrimaryHandshake, proof: Proof): void;
  /**
   * The peer was refused; `reason` is a sentence for the log. The refusal is on its way: the connection is still open.
   */
  refused(handshake: PrimaryHandshake, reason: string): void;
  /** The connection ended before the proof; `reason` is a sentence for the log, null after a refusal. */
  ended(handshake: PrimaryHandshake, reason: string | null): void;
  /** An owner was set, and gets all further frames. */
  owned(handshake: PrimaryHandshake): void;
}

/** The bytes of the handshake so far, over which proofs are made, and the keys that follow from them. */
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
  private readonly handshakeSettings: HandshakeSettings;
  private readonly events: HandshakeEvents;
  /** Null before a HELLO has come. */
  private transcript: Transcript | null = null;
  private proven = false;

  constructor(
    wire: Wire,
    connection: number,
    handshakeSettings: HandshakeSettings,
    events: HandshakeEvents,
  ) {
    this.channel = new Channel(wire, connection, this);
    this.random = wire.ports.random;
    this.handshakeSettings = handshakeSettings;
    this.events = events;
  }

  /** The owner of the channel once the peer has proved itself. */
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

  /**
   * Tells the peer why it is refused, and takes no more frames of it. The peer closes; LinkListener closes a peer that
   * does not.
   */
  refuse(error: HotspareError): void {
    const { code, message, remedy } = error;
    const refusal: Refusal = { code, reason: message, remedy, disowns: this.proven };
    this.channel.sendMessage(FrameType.REFUSED, refusal);
    this.channel.muted = true;
    this.events.refused(this, message);
  }

  /**
   * Refuses a peer that has proved itself. LinkListener does not watch it any more, so the connection is closed here.
   */
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
    const { secret, cipher: flag } = this.handshakeSettings;
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

/** The error where one node will not encrypt, and the other insists. */
function otherCiphers(standby: CipherWish, primary: CipherWish): HotspareError {
  return new HotspareError(
    'LINK_REFUSED',
    `the standby wants --link-cipher ${standby}, the primary ${primary}`,
    'give both nodes the same --link-cipher',
  );
}

/** The error for one standby more than a primary takes. */
export function taken(standbys: readonly string[]): HotspareError {
  const names = standbys.join(', ');
  const has =
    standbys.length === 1
      ? `a standby (${names}): it takes one standby; more than two nodes need a witness, which this ` +
        'version does not have'
      : `${standbys.length} standbys (${names}), as many as it takes`;
  return new HotspareError(
    'LINK_BUSY',
    `the primary already has ${has}`,
    'stop that standby first',
  );
}

/** The error where two caches meet whose epochs do not show which came after the other. */
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
