/**
 * UDP as memcached has it: a datagram is a header of 8 bytes and a request, and the reply comes in datagrams of at most
 * 1400 bytes. Each request runs as a connection of its own over a socket pair, which is written, half-closed and read
 * to its end; a session therefore need not know of UDP, and barriers and limits hold. Nothing is ever sent twice.
 *
 *   u16 request id | u16 sequence | u16 datagrams of the message | u16 0 | request or reply      big endian
 */
import { createSocket, type Socket as Datagrams, type RemoteInfo } from 'node:dgram';
import { Socket } from 'node:net';
import {
  datagramBytesMax,
  datagramMs,
  datagramQueueBytesMost,
  datagramReplyBytesMost,
  datagramsInFlightMost,
} from '../base/limits.js';
import { addressText } from '../flags/settings.js';
import { failed, type NativeFailure, native } from '../native/addon.js';
import type { Endpoint, Wire } from './wire.js';

const headerBytes = 8;
const bodyBytesMax = datagramBytesMax - headerBytes;
const severalPackets = Buffer.from('SERVER_ERROR multi-packet request not supported\r\n');
const tooLong = Buffer.from('SERVER_ERROR response too large for UDP\r\n');

export interface UdpOptions {
  readonly wire: Wire;
  /** Makes the session of one datagram. */
  readonly accept: (connection: number, origin: Origin) => Endpoint;
}

/** The origin of a client that the transport does not know, as the client's bytes come through TLS or UDP. */
export interface Origin {
  readonly address: string;
  readonly listenAddress: string;
  readonly descriptor: number;
}

/** A bound socket. */
export interface Bound {
  readonly address: string;
  readonly descriptor: number;
  readonly port: number;
}

export class Udp {
  readonly bound: Bound[] = [];
  private readonly options: UdpOptions;
  private readonly sockets: Datagrams[] = [];
  /** Sockets of the requests that are under way. */
  private readonly inFlight = new Set<Socket>();

  constructor(options: UdpOptions) {
    this.options = options;
  }

  /** Binds an address literal; port 0: any. Returns the port. */
  listen(host: string, port: number): number | NativeFailure {
    const made = native.datagramsOpen(host, port);
    if (failed(made)) return made;
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const bound = { address: addressOf(host, made.port), ...made };
    socket.on('message', (message, from) => this.request(socket, bound, message, from));
    // Errors come from clients' machines that refuse a datagram, and nobody needs to know.
    socket.on('error', () => {});
    socket.bind({ fd: made.descriptor });
    this.sockets.push(socket);
    this.bound.push(bound);
    return made.port;
  }

  /** Closes everything at once. */
  end(): void {
    for (const socket of this.sockets.splice(0)) socket.close();
    for (const inner of this.inFlight) inner.destroy();
    this.bound.length = 0;
  }

  private request(socket: Datagrams, bound: Bound, message: Buffer, from: RemoteInfo): void {
    if (message.length <= headerBytes) return;
    const id = message.readUInt16BE(0);
    const send = (body: Buffer): void => reply(socket, from, id, body);
    if (message.readUInt16BE(4) !== 1) {
      send(severalPackets);
      return;
    }
    if (this.inFlight.size >= datagramsInFlightMost) return;
    // Replies that the network does not take pile up in the socket and no longer count as under way, so they are
    // bounded here.
    if (socket.getSendQueueSize() > datagramQueueBytesMost) return;
    const { wire, accept } = this.options;
    const sender = addressOf(from.address, from.port);
    const origin = { address: sender, listenAddress: bound.address, descriptor: bound.descriptor };
    const made = wire.pair((connection) => accept(connection, origin));
    if (failed(made)) return;
    const inner = new Socket({
      fd: made.descriptor,
      allowHalfOpen: true,
      readable: true,
      writable: true,
    });
    this.inFlight.add(inner);
    const parts: Buffer[] = [];
    let bytes = 0;
    inner.on('data', (part) => {
      bytes += part.length;
      if (bytes <= datagramReplyBytesMost) {
        parts.push(part);
        return;
      }
      inner.destroy();
      send(tooLong);
    });
    inner.on('end', () => {
      inner.destroy();
      if (this.sockets.includes(socket)) send(Buffer.concat(parts));
    });
    inner.on('error', () => inner.destroy());
    inner.on('close', () => this.inFlight.delete(inner));
    inner.setTimeout(datagramMs, () => inner.destroy());
    inner.end(message.subarray(headerBytes));
  }
}

/** Cuts a reply into datagrams; an empty reply makes none. */
function reply(socket: Datagrams, to: RemoteInfo, id: number, body: Buffer): void {
  const total = Math.ceil(body.length / bodyBytesMax);
  for (let sequence = 0; sequence < total; sequence++) {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt16BE(id, 0);
    header.writeUInt16BE(sequence, 2);
    header.writeUInt16BE(total, 4);
    const at = sequence * bodyBytesMax;
    socket.send([header, body.subarray(at, at + bodyBytesMax)], to.port, to.address);
  }
}

/** The address as memcached writes it. */
function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? 'udp6' : 'udp'}:${addressText(host, port)}`;
}
