/**
 * The primary's side of the hello: one instance per connection that came in, until it has proved itself or is sent
 * away with a reason. Not a byte of the cache, nor anything about it, leaves before the proof.
 */
import { HotspareError } from '../src/errors.js';
import { layoutVersion } from '../src/store/layout.js';
import type { Wire } from '../src/wire.js';
import { Channel, type ChannelOwner } from './channel.js';
import { type FrameHeader, FrameType, protocolVersion } from './frame.js';
import { nonce, type Proof, parse, proofsMatch, prove } from './hello.js';

export interface GreetingEvents {
  /** The peer knows the secret. The channel is the receiver's from now on: it sets `owner`. */
  proved(greeting: Greeting, proof: Proof): void;
  /** It was refused; a sentence for the log. What it was told is on its way: it may close, or be closed later. */
  refused(greeting: Greeting, reason: string): void;
  /** The connection ended before that; a sentence for the log, unless it was refused before. */
  ended(greeting: Greeting, reason: string | null): void;
}

/** What to do about two versions. */
export const sameVersion = 'run the same version of hotspare on both nodes';

export class Greeting implements ChannelOwner {
  readonly channel: Channel;
  /** Who gets the channel's frames once the peer has proved itself. */
  owner: ChannelOwner | null = null;
  private readonly secret: Uint8Array;
  private readonly events: GreetingEvents;
  private readonly nonce = nonce();
  private peerNonce: string | null = null;

  constructor(wire: Wire, connection: number, secret: Uint8Array, events: GreetingEvents) {
    this.channel = new Channel(wire, connection, this);
    this.secret = secret;
    this.events = events;
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    if (this.owner !== null) {
      this.owner.frame(header, bytes, at);
      return;
    }
    const payload = bytes.subarray(at, at + header.length);
    if (header.type === FrameType.HELLO && this.peerNonce === null) this.hello(payload);
    else if (header.type === FrameType.PROOF && this.peerNonce !== null) this.proof(payload);
    else this.refuse(unexpected(header.type));
  }

  drained(): void {
    this.owner?.drained();
  }

  foreign(version: number): void {
    const sentence = `the peer's frames have version ${version}, ours ${protocolVersion}`;
    if (this.owner !== null) this.owner.lost(sentence);
    else this.refuse(new HotspareError('LINK_VERSION', sentence, sameVersion));
  }

  lost(reason: string): void {
    if (this.owner !== null) this.owner.lost(reason);
    else if (this.channel.muted) this.events.ended(this, null);
    else if (this.peerNonce === null) this.events.ended(this, reason);
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
  turnAway(error: HotspareError): void {
    this.refuse(error);
    this.channel.close(true);
  }

  private hello(payload: Uint8Array): void {
    const hello = parse('hello', payload);
    if (hello === null) {
      this.refuse(unexpected(FrameType.HELLO));
    } else if (hello.protocol !== protocolVersion || hello.layout !== layoutVersion) {
      const theirs = `protocol ${hello.protocol}, layout ${hello.layout}`;
      const ours = `protocol ${protocolVersion}, layout ${layoutVersion}`;
      this.refuse(
        new HotspareError(
          'LINK_VERSION',
          `the standby speaks ${theirs}, the primary ${ours}`,
          sameVersion,
        ),
      );
    } else {
      this.peerNonce = hello.nonce;
      const proof = prove(this.secret, 'primary', hello.nonce, this.nonce);
      this.channel.sendMessage(FrameType.CHALLENGE, { nonce: this.nonce, proof });
    }
  }

  private proof(payload: Uint8Array): void {
    const proof = parse('proof', payload);
    const expected = prove(this.secret, 'standby', this.peerNonce!, this.nonce);
    if (proof === null || !proofsMatch(proof.proof, expected)) {
      this.refuse(wrongSecret('the standby'));
    } else {
      this.events.proved(this, proof);
    }
  }
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
    `the primary already has a standby (${standby})`,
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
