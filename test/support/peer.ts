/**
 * The other end of a node-to-node connection, played by a test: whole frames in and out, true ones or false ones.
 */
import net from 'node:net';
import { FrameHeader, frameHeaderBytes, readHeader, sealFrame } from '../../backup/frame.js';
import { native } from '../../src/native.js';
import { until } from './until.js';

export interface PeerFrame {
  readonly type: number;
  readonly count: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

export class Peer {
  readonly frames: PeerFrame[] = [];
  closed = false;
  private readonly socket: net.Socket;
  private received: Buffer = Buffer.alloc(0);

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.received = splitFrames(this.received, (frame) => this.frames.push(frame));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async connect(port: number): Promise<Peer> {
    const socket = net.connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new Peer(socket);
  }

  /** Sends a control message, as version `version` of the frames would. */
  send(type: number, message: object, version?: number): void {
    const body = Buffer.from(JSON.stringify(message));
    const bytes = new Uint8Array(frameHeaderBytes + body.length);
    bytes.set(body, frameHeaderBytes);
    const header = { type, epoch: 0, count: 0, sequence: 0, length: body.length };
    sealFrame(bytes, new DataView(bytes.buffer), 0, header, native.crc32c);
    if (version !== undefined) new DataView(bytes.buffer).setUint16(4, version, true);
    this.socket.write(bytes);
  }

  /** The next frame of this type, as JSON. */
  async message(type: number): Promise<Record<string, unknown>> {
    const frame = await until(`a frame of type ${type}`, () =>
      this.frames.find((one) => one.type === type),
    );
    return JSON.parse(frame.payload.toString()) as Record<string, unknown>;
  }

  end(): void {
    this.socket.destroy();
  }
}

/** Takes whole frames off the front; returns the rest. */
export function splitFrames(
  bytes: Buffer,
  take: (frame: PeerFrame, whole: Buffer) => void,
): Buffer {
  const header = new FrameHeader();
  let at = 0;
  for (;;) {
    const rest = bytes.subarray(at);
    if (rest.length < frameHeaderBytes) return rest;
    const view = new DataView(rest.buffer, rest.byteOffset, rest.length);
    const fault = readHeader(view, 0, header);
    if (fault !== null) throw new Error(`not a frame: ${fault}`);
    const total = frameHeaderBytes + header.length;
    if (rest.length < total) return rest;
    const { type, count, sequence } = header;
    const whole = rest.subarray(0, total);
    take({ type, count, sequence, payload: whole.subarray(frameHeaderBytes) }, whole);
    at += total;
  }
}
