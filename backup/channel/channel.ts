/**
 * The node-to-node connection: whole, checked frames over one connection of `Wire`. A frame that arrived whole is
 * handled where it lies in the shared input. The bytes of any other go straight into the channel's own buffer.
 *
 * A frame whose bytes are wrong ends the connection, as nothing behind it can be trusted. Frames behind the proof may
 * be sealed (cipher.ts): then only the peer's own frames, each once and in its order, are taken.
 */
import { assert, systemReason } from '../../src/base/errors.js';
import { controlBytesMax } from '../../src/base/limits.js';
import type { RegionMemoryPort } from '../../src/native/ports.js';
import type { Endpoint, Wire } from '../../src/net/wire.js';
import { recordHeaderBytes } from '../../src/store/journal.js';
import { type Cipher, Opener, Sealer } from './cipher.js';
import {
  FrameHeader,
  frameHeaderBytes,
  isIntact,
  payloadBytesMax,
  readHeader,
  sealFrame,
  tagBytes,
  versionAt,
  writeHeader,
} from './frame.js';

/** Events of a channel, told to its owner. */
export interface ChannelOwner {
  /** A whole frame; its payload is bytes[at, at + header.length) until this returns. */
  frameReceived(header: FrameHeader, bytes: Uint8Array, at: number): void;
  /** All frames that arrived in this tick have been handed over. */
  inputDrained(): void;
  /** The peer's frames have another version: the owner closes or mutes the channel. Not seen after the handshake. */
  foreignVersion?(version: number): void;
  /** The connection is gone. `reason` is a sentence for the log. */
  channelLost(reason: string): void;
  /** As `channelLost`, after bytes that are no frame at all: the peer may be no hotspare. */
  garbageReceived?(reason: string): void;
  /** An outgoing connection is open. */
  channelOpened?(): void;
  /** An outgoing connection could not be opened: errno. */
  connectRefused?(errno: number): void;
}

export interface FrameFields {
  readonly type: number;
  readonly epoch?: number;
  readonly count?: number;
  readonly sequence?: number;
}

const frameBytesMax = frameHeaderBytes + recordHeaderBytes + payloadBytesMax + tagBytes;
/** Longest frame of a peer that has not proved itself. */
const strangerBytesMax = frameHeaderBytes + controlBytesMax;

export class Channel implements Endpoint {
  readonly connection: number;
  private readonly wire: Wire;
  private readonly owner: ChannelOwner;
  private readonly crc32c: RegionMemoryPort['crc32c'];
  private readonly header = new FrameHeader();
  /** Collects a frame that did not arrive whole; made when it is first needed. */
  private partial: Uint8Array<ArrayBuffer> | null = null;
  private partialView: DataView | null = null;
  private partialId = -1;
  private readonly control = new Uint8Array(frameHeaderBytes);
  private readonly controlView = new DataView(this.control.buffer);
  private sealer: Sealer | null = null;
  private opener: Opener | null = null;
  /** Set once the peer has proved itself: only then may its frames be longer than a control message. */
  trusted = false;
  /** Set once the peer's further frames are of no interest: they are thrown away. */
  muted = false;
  private open = true;

  constructor(wire: Wire, connection: number, owner: ChannelOwner) {
    this.wire = wire;
    this.connection = connection;
    this.owner = owner;
    this.crc32c = wire.ports.memory.crc32c;
  }

  get isOpen(): boolean {
    return this.open;
  }

  /** Seals every frame from the next one on with this key. */
  sealWith(key: Uint8Array): void {
    this.sealer = new Sealer(key);
  }

  /** Takes only frames that the peer has sealed with this key, from the next one on. */
  openWith(key: Uint8Array): void {
    this.opener = new Opener(key);
  }

  /** The cipher that seals the frames this node sends. */
  get cipher(): Cipher {
    return this.sealer === null ? 'none' : 'aes-gcm';
  }

  /** This machine's host (1.2.3.4, ::1) of the connection; empty when the connection is gone. */
  get localHost(): string {
    return hostOf(this.local);
  }

  /** This machine's address of the connection, as the native transport shows it; empty when the connection is gone. */
  get local(): string {
    return this.wire.transport.describe(this.connection)?.listenAddress ?? '';
  }

  /** The peer's host; empty when the connection is gone. */
  get peerHost(): string {
    return hostOf(this.peer);
  }

  /** The peer's address as the native transport shows it (tcp:10.0.0.2:4711); empty when the connection is gone. */
  get peer(): string {
    return this.wire.transport.describe(this.connection)?.address ?? '';
  }

  data(offset: number, length: number, filled: boolean): number {
    const { wire } = this;
    if (this.muted) return length;
    if (filled) this.handle(this.partial!, this.partialView!, 0);
    const end = offset + length;
    let at = offset;
    while (this.open && !this.muted && end - at >= frameHeaderBytes) {
      const fault = readHeader(
        wire.inputView,
        at,
        this.header,
        this.opener === null ? 0 : tagBytes,
      );
      // A sealed session has one version: a frame of another version was changed on its way.
      const foreign = fault === 'version' && this.opener === null;
      if (foreign && this.owner.foreignVersion !== undefined) {
        this.owner.foreignVersion(versionAt(wire.inputView, at));
        return length;
      }
      if (fault !== null) {
        const reason = `the peer sent what is not a frame of ours (${fault})`;
        this.close(false);
        if (this.owner.garbageReceived === undefined) this.owner.channelLost(reason);
        else this.owner.garbageReceived(reason);
        return length;
      }
      if (!this.trusted && this.header.length > controlBytesMax) {
        this.fail('it sent a long frame before it had proved itself');
        return length;
      }
      const total = frameHeaderBytes + this.header.length;
      if (end - at < total) {
        this.collect(at, end - at, total);
        at = end;
        break;
      }
      this.handle(wire.input, wire.inputView, at);
      at += total;
    }
    if (!this.open || this.muted) return length;
    this.owner.inputDrained();
    return at - offset;
  }

  closed(errno: number): void {
    if (!this.open) return;
    this.shut();
    this.owner.channelLost(errno === 0 ? 'the peer closed it' : systemReason(errno));
  }

  connected(errno: number): void {
    if (errno === 0) {
      this.owner.channelOpened?.();
      return;
    }
    this.shut();
    this.owner.connectRefused?.(errno);
  }

  /** Sends a frame without payload. */
  send(frame: FrameFields): void {
    this.sealed(frame, this.control, this.controlView, 0);
  }

  /** Sends a control message. */
  sendMessage(type: number, message: object, epoch = 0): void {
    this.sendPayload(type, Buffer.from(JSON.stringify(message)), epoch);
  }

  /** Sends a control message that is serialized already. */
  sendPayload(type: number, body: Uint8Array, epoch = 0): void {
    const bytes = new Uint8Array(frameHeaderBytes + body.length);
    bytes.set(body, frameHeaderBytes);
    this.sealed({ type, epoch }, bytes, new DataView(bytes.buffer), body.length);
  }

  /**
   * Seals and sends a frame whose payload stands behind room for a header at the start of `bytes`. `isSealed`: another
   * channel has written header and checksum already. Returns whether they can be used by a further channel.
   */
  sealed(
    frame: FrameFields,
    bytes: Uint8Array,
    view: DataView,
    length: number,
    isSealed = false,
  ): boolean {
    if (!this.open) return isSealed;
    const { type, epoch = 0, count = 0, sequence = 0 } = frame;
    const { wire, connection, sealer } = this;
    if (sealer === null) {
      const header = { type, epoch, count, sequence, length };
      if (!isSealed) sealFrame(bytes, view, 0, header, this.crc32c);
      wire.transport.send(connection, bytes, 0, frameHeaderBytes + length);
      return true;
    }
    // The key of a cipher is this channel's own, so the frame is sealed for this channel alone.
    writeHeader(view, 0, { type, epoch, count, sequence, length: length + tagBytes });
    const sealed = sealer.seal(bytes, frameHeaderBytes + length);
    wire.transport.send(connection, sealed, 0, frameHeaderBytes + length + tagBytes);
    return false;
  }

  /** Ends the connection; the owner is not told. With `flush` the frames sent before still leave. */
  close(flush: boolean): void {
    if (!this.open) return;
    this.wire.close(this.connection, flush);
    this.shut();
  }

  private shut(): void {
    this.open = false;
    this.forgetPartial();
  }

  private forgetPartial(): void {
    if (this.partialId >= 0) this.wire.transport.unregister(this.partialId);
    this.partialId = -1;
    this.partial = null;
    this.partialView = null;
  }

  private fail(reason: string): void {
    this.close(false);
    this.owner.channelLost(reason);
  }

  private handle(bytes: Uint8Array, view: DataView, at: number): void {
    const { header, opener } = this;
    if (opener !== null) {
      if (!opener.open(bytes, at, frameHeaderBytes + header.length)) {
        this.fail(`a frame of type ${header.type} is not the one that the peer sent next`);
        return;
      }
      header.length -= tagBytes;
      this.owner.frameReceived(header, bytes, at + frameHeaderBytes);
      return;
    }
    if (!isIntact(bytes, view, at, header, this.crc32c)) {
      this.fail(`a frame of type ${header.type} has a wrong checksum`);
      return;
    }
    this.owner.frameReceived(header, bytes, at + frameHeaderBytes);
  }

  private collect(at: number, have: number, total: number): void {
    if (this.partial === null || this.partial.length < total) {
      this.forgetPartial();
      // Peers without a proof may be many, and their messages are short: their buffers are small.
      const buffer = new ArrayBuffer(total > strangerBytesMax ? frameBytesMax : strangerBytesMax);
      this.partial = new Uint8Array(buffer);
      this.partialView = new DataView(buffer);
      this.partialId = this.wire.transport.register(buffer);
    }
    assert(total <= frameBytesMax, 'the header limits the length');
    this.partial.set(this.wire.input.subarray(at, at + have));
    this.wire.transport.sink(this.connection, this.partialId, have, total - have);
  }
}

/**
 * The host of an address as the native transport shows it (tcp:10.0.0.2:4711, tcp6:[::1]:4711); empty when it has none.
 */
export function hostOf(address: string): string {
  const [, plain, bracketed] = /^(?:tcp:([\d.]+)|tcp6:\[([^\]]+)\]):\d+$/.exec(address) ?? [];
  return plain ?? bracketed ?? '';
}
