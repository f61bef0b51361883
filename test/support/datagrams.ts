/** A UDP client: sends requests with memcached's header, and puts the datagrams of an answer together. */
import { createSocket, type Socket } from 'node:dgram';
import { until } from './until.js';

export interface Datagram {
  readonly id: number;
  readonly sequence: number;
  readonly total: number;
  readonly bytes: number;
  readonly body: string;
}

export class DatagramClient {
  readonly received: Datagram[] = [];
  private readonly socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 2 ** 20 });
  private readonly port: number;

  constructor(port: number) {
    this.port = port;
    this.socket.on('message', (message) => {
      this.received.push({
        id: message.readUInt16BE(0),
        sequence: message.readUInt16BE(2),
        total: message.readUInt16BE(4),
        bytes: message.length,
        body: message.toString('latin1', 8),
      });
    });
  }

  /** Sends any bytes, which must include the header. */
  raw(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.send(bytes, this.port, '127.0.0.1', () => resolve());
    });
  }

  send(id: number, request: string, sequence = 0, total = 1): Promise<void> {
    return this.raw(Buffer.concat([header(id, sequence, total), Buffer.from(request, 'latin1')]));
  }

  /** The whole answer to a request, in order of its datagrams. */
  async answer(id: number): Promise<Datagram[]> {
    return until(`an answer to datagram ${id}`, () => {
      const parts = this.received.filter((part) => part.id === id);
      return parts.length > 0 && parts.length === parts[0]!.total
        ? parts.sort((a, b) => a.sequence - b.sequence)
        : null;
    });
  }

  async ask(id: number, request: string): Promise<string> {
    await this.send(id, request);
    return (await this.answer(id)).map(({ body }) => body).join('');
  }

  close(): void {
    this.socket.close();
  }
}

export function header(id: number, sequence: number, total: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(sequence, 2);
  bytes.writeUInt16BE(total, 4);
  return bytes;
}
