/**
 * A node-to-node connection that a test controls: frames pass one by one, and the test can keep frames of its choice,
 * and all later ones, for as long as it likes.
 */
import net from 'node:net';
import { type PeerFrame, splitFrames } from './peer.js';

/** One direction. */
export class Lane {
  /** Frames that have arrived at the relay, whether or not they went on. */
  readonly arrived: PeerFrame[] = [];
  /** True for a frame that is kept. */
  keeps: (frame: PeerFrame) => boolean = () => false;
  /** The bytes that go on in the place of a frame. */
  changes: (frame: PeerFrame, bytes: Buffer) => readonly Buffer[] = (_, bytes) => [bytes];
  private kept: { readonly frame: PeerFrame; readonly bytes: Buffer }[] = [];
  private rest: Buffer = Buffer.alloc(0);
  private out: net.Socket | null = null;

  join(from: net.Socket, to: net.Socket): void {
    this.rest = Buffer.alloc(0);
    this.kept = [];
    this.out = to;
    from.on('data', (bytes) => {
      this.rest = splitFrames(Buffer.concat([this.rest, bytes]), (frame, whole) => {
        this.arrived.push(frame);
        if (this.keeps(frame)) this.kept.push({ frame, bytes: whole });
        else for (const bytes of this.changes(frame, whole)) to.write(bytes);
      });
    });
  }

  /** Sends bytes to this lane's receiver, as if they had come. */
  inject(bytes: Uint8Array): void {
    this.out?.write(bytes);
  }

  /** Lets kept frames go, up to the last frame in a row that `chosen` is true of. */
  release(chosen: (frame: PeerFrame) => boolean = () => true): void {
    while (this.kept.length > 0 && chosen(this.kept[0]!.frame)) {
      this.out!.write(this.kept.shift()!.bytes);
    }
  }
}

export class Relay {
  readonly toPrimary = new Lane();
  readonly toStandby = new Lane();
  /** Connections that have come, even if they led nowhere. */
  connections = 0;
  /** The port that standbys attach at, once this listens. */
  port = 0;
  private readonly server = net.createServer();
  private readonly sockets = new Set<net.Socket>();
  /** The port that connections lead to; null while they wait, as at a cut cable. */
  private target: number | null;
  private waiting: net.Socket[] = [];

  constructor(primaryPort: number) {
    this.target = primaryPort;
    this.server.on('connection', (standby) => {
      standby.on('error', () => {});
      this.connections++;
      this.waiting.push(standby);
      if (this.target !== null) this.leadTo(this.target);
    });
  }

  /** Breaks all connections; new ones wait. */
  hold(): void {
    this.target = null;
    for (const socket of this.sockets) socket.destroy();
  }

  /** From now on connections lead to this port, waiting ones included. */
  leadTo(port: number): void {
    this.target = port;
    for (const standby of this.waiting.splice(0)) {
      const primary = net.connect(port, '127.0.0.1');
      this.pair(standby, primary);
      this.toPrimary.join(standby, primary);
      this.toStandby.join(primary, standby);
    }
  }

  /** Listens, at a port of its own or at this one; resolves to the port that standbys attach at. */
  listen(port = 0): Promise<number> {
    return new Promise((resolve) => {
      this.server.listen(port, '127.0.0.1', () => {
        this.port = (this.server.address() as net.AddressInfo).port;
        resolve(this.port);
      });
    });
  }

  /** Ends all; `listen` begins anew. */
  end(): void {
    this.server.close();
    for (const socket of [...this.sockets, ...this.waiting]) socket.destroy();
  }

  private pair(a: net.Socket, b: net.Socket): void {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      this.sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => {});
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
    }
  }
}
