/**
 * The other end of a node-to-node connection, played by a test: it sends and receives whole frames, true or false ones.
 */
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import {
  FrameHeader,
  FrameType,
  frameHeaderBytes,
  protocolVersion,
  readHeader,
  sealFrame,
  tagBytes,
} from '../../backup/channel/frame.js';
import { type Hello, nonce, type Proof } from '../../backup/channel/hello.js';
import { sessionKeys, withProof } from '../../backup/channel/proof.js';
import { native } from '../../src/native/addon.js';
import { layoutVersion } from '../../src/store/layout.js';
import { until } from './until.js';

export interface PeerFrame {
  readonly type: number;
  readonly count: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Fields of a frame's header beside its type and length; 0 where not given. */
export interface Fields {
  readonly epoch?: number;
  readonly count?: number;
  readonly sequence?: number;
  /** The frames' version, instead of ours. */
  readonly version?: number;
}

export class Peer {
  readonly frames: PeerFrame[] = [];
  closed = false;
  /** Called with every frame as it comes. */
  onFrame: (frame: PeerFrame) => void = () => {};
  readonly socket: net.Socket;
  private received: Buffer = Buffer.alloc(0);

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.received = splitFrames(this.received, (frame) => {
        this.frames.push(frame);
        this.onFrame(frame);
      });
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

  /** Sends a frame with a control message, or without a payload. */
  send(type: number, message: object | null, fields: Fields = {}): void {
    this.sendBytes(type, Buffer.from(message === null ? '' : JSON.stringify(message)), fields);
  }

  /** Sends a frame with these bytes as its payload. */
  sendBytes(type: number, body: Uint8Array, fields: Fields = {}): void {
    this.socket.write(framed(type, body, fields));
  }

  /** Says hello, and proves that it knows the secret; without an `identity` it is a plain standby. */
  async prove(identity: Partial<Proof> = {}, secret = new Uint8Array(0)): Promise<void> {
    const prove = await this.greet(secret);
    prove(identity);
  }

  /** Says hello, and hears the challenge. Resolves to a function that proves that this peer knows the secret. */
  async greet(secret = new Uint8Array(0)): Promise<(identity: Partial<Proof>) => void> {
    const hello = Buffer.from(JSON.stringify(helloOf('none')));
    this.sendBytes(FrameType.HELLO, hello);
    await this.message(FrameType.CHALLENGE);
    const challenge = this.frames.find(({ type }) => type === FrameType.CHALLENGE)!.payload;
    const [ours, theirs] = [hello, challenge].map((said) => JSON.parse(said.toString()) as Hello);
    const keys = sessionKeys(secret, ours!.nonce, theirs!.nonce);
    return (identity) => {
      const link = { link: null, deposedBy: '', transport: 'tcp', providers: '', lacks: '' };
      const reign = { epoch: 0, cache: '', changes: 0 };
      const standby = { node: 'peer', ...reign, deadAfterMs: 100_000, ...link };
      const claims = { ...standby, ...identity };
      const proof = withProof(keys.proof, 'standby', [hello, challenge], claims);
      this.sendBytes(FrameType.PROOF, proof);
    };
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

/** A whole frame with these bytes as its payload. */
export function framed(type: number, body: Uint8Array, fields: Fields): Buffer {
  const { epoch = 0, count = 0, sequence = 0, version } = fields;
  const bytes = Buffer.from(new ArrayBuffer(frameHeaderBytes + body.length));
  bytes.set(body, frameHeaderBytes);
  const header = { type, epoch, count, sequence, length: body.length };
  sealFrame(bytes, new DataView(bytes.buffer), 0, header, native.crc32c);
  if (version !== undefined) new DataView(bytes.buffer).setUint16(4, version, true);
  return bytes;
}

/** The hello of a standby of our version. */
export function helloOf(cipher: Hello['cipher']): Hello {
  return { protocol: protocolVersion, layout: layoutVersion, nonce: nonce(randomBytes), cipher };
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
    const fault = readHeader(view, 0, header, tagBytes);
    if (fault !== null) throw new Error(`not a frame: ${fault}`);
    const total = frameHeaderBytes + header.length;
    if (rest.length < total) return rest;
    const { type, count, sequence } = header;
    const whole = rest.subarray(0, total);
    take({ type, count, sequence, payload: whole.subarray(frameHeaderBytes) }, whole);
    at += total;
  }
}
