/**
 * TLS in front of the data path: a connection whose hello has come gives its socket to node:tls and goes on over one
 * end of a socket pair. Until then it is an ordinary connection of the transport, and costs little (tls-queue.ts).
 * Decrypted bytes go in at the other end, and bytes that come out there are encrypted. A session therefore need not
 * know of TLS, and barriers, limits and back-pressure hold as for any connection (docs/decisions/tls-path.md).
 *
 *   client ══ socket ══ node:tls ── pipe ── socket pair ── transport ── session
 */
import { constants, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { HotspareError } from '../base/errors.js';
import { drainingMs, tlsHandshakeMs, tlsLookMs } from '../base/limits.js';
import type { TlsSettings } from '../flags/settings.js';
import { failed } from '../native/addon.js';
import { TlsQueue } from './tls-queue.js';
import { Counter, type Endpoint, type Wire } from './wire.js';

/** The values of `ssl_min_version`. */
const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
/** The suites of TLS 1.3. OpenSSL has a setting of their own for them, which memcached leaves alone. */
const suites = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
const Verify = { NONE: 0, REQUIRED: 2 } as const;
const formatDer = 2;

/** A connection, and its endpoint behind TLS. */
export interface TlsClient extends Endpoint {
  readonly connection: number;
  /** Ends the connection at once. */
  end(): void;
}

/** The two sockets of a client. */
interface Bridge {
  /** Its place among the handshakes. */
  readonly greeting: Greeting;
  readonly outer: Socket;
  readonly inner: Socket;
  /** The deadline for the client to close, once its session has ended. */
  patience: NodeJS.Timeout | null;
}

export class Tls {
  private readonly settings: TlsSettings;
  private readonly connectionsMost: number;
  /** Connections that are kept free for further clients while others have said nothing. */
  private readonly kept: number;
  private readonly server: Server;
  private readonly queue = new TlsQueue<Greeting>();
  private looker: NodeJS.Timeout | null = null;
  private advancing: NodeJS.Immediate | null = null;
  /**
   * Bridges whose handshake is under way, by both addresses: these are all that node:tls gives when a handshake is
   * done.
   */
  private readonly bridging = new Map<string, Bridge>();
  /** Connections before their handshake. */
  private readonly greetings = new Map<number, Greeting>();
  /** Bridges by connection, until its session ends. */
  private readonly served = new Map<number, Bridge>();
  private readonly bridges = new Set<Bridge>();

  /** `connectionsMost`: `-c`. Throws HotspareError when a certificate or a key cannot be used. */
  constructor(settings: TlsSettings, connectionsMost: number) {
    this.settings = settings;
    this.connectionsMost = connectionsMost;
    this.kept = Math.min(keptMost, connectionsMost >>> keptShift);
    this.server = createServer({
      ...contextOptions(settings),
      requestCert: settings.verifyMode !== Verify.NONE,
      rejectUnauthorized: settings.verifyMode === Verify.REQUIRED,
      handshakeTimeout: tlsHandshakeMs,
    });
    this.server.on('secureConnection', (socket) => this.secured(socket));
    this.server.on('tlsClientError', (_, socket) => socket.destroy());
  }

  /** Reads certificates and key again, for later connections. Returns an error in them, or null. */
  refresh(): string | null {
    try {
      this.server.setSecureContext(contextOptions(this.settings));
      return null;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      return error.message;
    }
  }

  /**
   * The endpoint of a connection that was just accepted from this host: it hands the bytes over to the client's once
   * they are decrypted.
   */
  greet(wire: Wire, client: TlsClient, host: string): Endpoint {
    const greeting = new Greeting(this, wire, client);
    this.greetings.set(client.connection, greeting);
    const isNoRoom = wire.counters[Counter.CONNECTIONS]! > this.connectionsMost - this.kept;
    this.queue.add(greeting, host, performance.now(), isNoRoom)?.client.end();
    this.looker ??= setInterval(() => this.look(), tlsLookMs).unref();
    return greeting;
  }

  /** The hello of a connection is whole. */
  greeted(greeting: Greeting): void {
    this.queue.greet(greeting);
    this.advanceSoon();
  }

  /**
   * The session of a connection has ended. As `-c` does not count the sockets here, the client gets a deadline to read
   * the rest and close, the same as without TLS.
   */
  left(connection: number): void {
    const greeting = this.greetings.get(connection);
    if (greeting !== undefined) {
      this.greetings.delete(connection);
      this.queue.remove(greeting);
      return;
    }
    const bridge = this.served.get(connection);
    if (bridge === undefined) return;
    this.served.delete(connection);
    bridge.patience = setTimeout(() => bridge.outer.destroy(), drainingMs).unref();
  }

  /** Closes every connection at once. */
  end(): void {
    if (this.looker !== null) clearInterval(this.looker);
    this.looker = null;
    for (const { outer, inner } of this.bridges) {
      inner.destroy();
      outer.destroy();
    }
  }

  private look(): void {
    const now = performance.now();
    for (let late = this.queue.late(now); late !== null; late = this.queue.late(now)) {
      late.client.end();
    }
    this.advanceSoon();
    if (this.queue.isWaiting || this.looker === null) return;
    clearInterval(this.looker);
    this.looker = null;
  }

  /**
   * Begins the handshakes whose turn it is, behind this tick: in it, bytes of these connections may be on their way
   * that were read from their sockets already, and would pass for decrypted ones.
   */
  private advanceSoon(): void {
    this.advancing ??= setImmediate(() => this.advance());
  }

  private advance(): void {
    this.advancing = null;
    for (;;) {
      const turn = this.queue.next(performance.now());
      if (turn === null) return;
      turn.leaves?.bridge?.outer.destroy();
      this.begin(turn.begins);
    }
  }

  /** Gives the socket of a connection to node:tls. */
  private begin(greeting: Greeting): void {
    const { wire, client, hello } = greeting;
    const made = wire.transport.divert(client.connection);
    if (failed(made)) {
      // No descriptor is left for the pair.
      this.queue.remove(greeting);
      client.end();
      return;
    }
    const highWaterMark = Math.max(1, this.settings.writeBufferBytes);
    // A client that gives up in mid-handshake is closed; later it may close its side and still be answered.
    const outer = new Socket({ fd: made.socket, allowHalfOpen: false, ...bothWays });
    const inner = new Socket({
      fd: made.descriptor,
      allowHalfOpen: true,
      ...bothWays,
      readableHighWaterMark: highWaterMark,
    } as ConstructorParameters<typeof Socket>[0]);
    const bridge: Bridge = { greeting, outer, inner, patience: null };
    greeting.bridge = bridge;
    greeting.hello = null;
    this.greetings.delete(client.connection);
    this.bridges.add(bridge);
    this.served.set(client.connection, bridge);
    const name = addressesOf(outer);
    this.bridging.set(name, bridge);
    outer.on('error', () => outer.destroy());
    inner.on('error', () => inner.destroy());
    outer.on('close', () => {
      this.done(name, bridge);
      this.bridges.delete(bridge);
      if (bridge.patience !== null) clearTimeout(bridge.patience);
      inner.destroy();
    });
    outer.unshift(hello!);
    this.server.emit('connection', outer);
  }

  /** The handshake of a bridge is over, well or not. */
  private done(name: string, bridge: Bridge): void {
    if (this.bridging.get(name) !== bridge) return;
    this.bridging.delete(name);
    this.queue.remove(bridge.greeting);
    this.advanceSoon();
  }

  private secured(socket: TLSSocket): void {
    const name = addressesOf(socket);
    const bridge = this.bridging.get(name);
    if (bridge !== undefined) this.done(name, bridge);
    // A client may show no certificate, or was not asked for one; a certificate that is shown must be good.
    const shown = this.settings.verifyMode !== Verify.NONE && hasCertificate(socket);
    if (bridge === undefined || (shown && !socket.authorized)) {
      socket.destroy();
      return;
    }
    const { inner } = bridge;
    socket.allowHalfOpen = true;
    socket.on('error', () => socket.destroy());
    inner.on('error', () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  }
}

/** A connection before its handshake: waits until its hello is whole. Afterwards all bytes are its client's. */
class Greeting implements Endpoint {
  readonly wire: Wire;
  readonly client: TlsClient;
  bridge: Bridge | null = null;
  /** The first bytes, once the hello is whole, and until the handshake begins. */
  hello: Buffer | null = null;
  private readonly tls: Tls;

  constructor(tls: Tls, wire: Wire, client: TlsClient) {
    this.tls = tls;
    this.wire = wire;
    this.client = client;
  }

  data(offset: number, length: number, filled: boolean): number {
    if (this.bridge !== null) return this.client.data(offset, length, filled);
    const bytes = this.wire.input.subarray(offset, offset + length);
    const { hello } = this;
    if (hello === null && isPart(bytes)) return 0;
    const said = (hello?.length ?? 0) + length;
    if ((hello === null && bytes[0] !== handshakeType) || said > helloBytesMost) {
      this.client.end();
      return length;
    }
    // Nothing may be left behind here: it would be taken for decrypted.
    this.hello = hello === null ? Buffer.from(bytes) : Buffer.concat([hello, bytes]);
    if (hello === null) this.tls.greeted(this);
    return length;
  }

  closed(errno: number): void {
    this.client.closed(errno);
  }
}

/** True of bytes that may become a record of TLS, and are not whole yet. */
function isPart(bytes: Uint8Array): boolean {
  if (bytes[0] !== handshakeType) return false;
  if (bytes.length < recordHeadBytes) return true;
  const length = (bytes[3]! << 8) | bytes[4]!;
  return length <= recordBytesMost && bytes.length < recordHeadBytes + length;
}

const recordHeadBytes = 5;
const recordBytesMost = 2 ** 14;
/** Most bytes that a client may send before it is answered: a hello may be of several records. */
const helloBytesMost = 2 ** 16;
/** The type of a record that belongs to a handshake. */
const handshakeType = 22;
/** An eighth of `-c`, and at most so many, are kept free. */
const keptShift = 3;
const keptMost = 64;

const bothWays = { readable: true, writable: true } as const;

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0;
}

function addressesOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** The TLS options that the settings and their files make, tried out. Throws HotspareError. */
function contextOptions(settings: TlsSettings): SecureContextOptions {
  const { chainCert, key, caCert, ciphers, sessionCache } = settings;
  const options: SecureContextOptions = { minVersion: versions[settings.minVersion]! };
  if (!sessionCache) options.secureOptions = constants.SSL_OP_NO_TICKET;
  step(`Error loading the certificate chain: ${chainCert}`, () => {
    options.cert = readFileSync(chainCert);
    createSecureContext(options);
  });
  step(`Error loading the key: ${key}`, () => {
    options.key = privateKey(readFileSync(key), settings.keyFormat);
    createSecureContext(options);
  });
  if (ciphers !== null) {
    step(`Error setting the provided cipher(s): ${ciphers}`, () => {
      options.ciphers = `${ciphers}:${suites}`;
      createSecureContext({ ciphers });
    });
  }
  if (caCert !== null) {
    step(`Error loading the CA certificate: ${caCert}`, () => {
      options.ca = readFileSync(caCert);
      createSecureContext(options);
    });
  }
  return options;
}

function step(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    const remedy = 'correct the ssl_ words of -o';
    throw new HotspareError('USAGE', `${what} : ${(error as Error).message}`, remedy);
  }
}

function privateKey(bytes: Buffer, format: number): string | Buffer {
  if (format !== formatDer) return bytes;
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const) {
    try {
      const key = createPrivateKey({ key: bytes, format: 'der', type });
      return key.export({ format: 'pem', type: 'pkcs8' });
    } catch {
      // The key must be in one of the three formats; behind the loop it is in none.
    }
  }
  throw new Error('it is no private key in DER');
}
