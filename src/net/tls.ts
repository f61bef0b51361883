/**
 * TLS in front of the data path: a connection that was accepted gives its socket to node:tls and goes on over one end
 * of a socket pair. Decrypted bytes go in at the other end, and bytes that come out there are encrypted. A session
 * therefore need not know of TLS, and barriers, limits and back-pressure hold as for any connection
 * (docs/decisions/tls-path.md).
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
import { drainingMs, tlsHandshakeMs, tlsHandshakesMost } from '../base/limits.js';
import type { TlsSettings } from '../flags/settings.js';
import type { NativeTransport } from '../native/addon.js';
import { failed } from '../native/addon.js';

/** The values of `ssl_min_version`. */
const versions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
/** The suites of TLS 1.3. OpenSSL has a setting of their own for them, which memcached leaves alone. */
const suites = 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';
const Verify = { NONE: 0, REQUIRED: 2 } as const;
const formatDer = 2;

/** The two sockets of a client. */
interface Bridge {
  /** The client's address. */
  readonly address: string;
  readonly outer: Socket;
  readonly inner: Socket;
  /** The deadline for the client to close, once its session has ended. */
  patience: NodeJS.Timeout | null;
}

export class Tls {
  private readonly settings: TlsSettings;
  private readonly server: Server;
  /**
   * Bridges whose handshake is under way, by both addresses: these are all that node:tls gives when a handshake is
   * done.
   */
  private readonly greeting = new Map<string, Bridge>();
  /** The same bridges, by the client's address alone, the oldest first. */
  private readonly greetingFrom = new Map<string, Set<Bridge>>();
  /** Bridges by connection, until its session ends. */
  private readonly served = new Map<number, Bridge>();
  private readonly bridges = new Set<Bridge>();

  /** Throws HotspareError when a certificate or a key cannot be used. */
  constructor(settings: TlsSettings) {
    this.settings = settings;
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

  /** Takes over the socket of a connection that was just accepted. False when no descriptor is left for the pair. */
  divert(transport: NativeTransport, connection: number): boolean {
    const made = transport.divert(connection);
    if (failed(made)) return false;
    const highWaterMark = Math.max(1, this.settings.writeBufferBytes);
    // A client that gives up in mid-handshake is closed; later it may close its side and still be answered.
    const outer = new Socket({ fd: made.socket, allowHalfOpen: false, ...bothWays });
    const inner = new Socket({
      fd: made.descriptor,
      allowHalfOpen: true,
      ...bothWays,
      readableHighWaterMark: highWaterMark,
    } as ConstructorParameters<typeof Socket>[0]);
    const bridge: Bridge = { address: outer.remoteAddress ?? '', outer, inner, patience: null };
    this.bridges.add(bridge);
    this.served.set(connection, bridge);
    const name = addressesOf(outer);
    if (this.greeting.size >= tlsHandshakesMost) this.endGreeting();
    this.greeting.set(name, bridge);
    this.greetingOf(bridge).add(bridge);
    outer.on('error', () => outer.destroy());
    inner.on('error', () => inner.destroy());
    outer.on('close', () => {
      this.greeted(name, bridge);
      this.bridges.delete(bridge);
      if (bridge.patience !== null) clearTimeout(bridge.patience);
      inner.destroy();
    });
    this.server.emit('connection', outer);
    return true;
  }

  /**
   * The session of a connection has ended. As `-c` does not count the sockets here, the client gets a deadline to read
   * the rest and close, the same as without TLS.
   */
  left(connection: number): void {
    const bridge = this.served.get(connection);
    if (bridge === undefined) return;
    this.served.delete(connection);
    bridge.patience = setTimeout(() => bridge.outer.destroy(), drainingMs).unref();
  }

  /** Closes every connection at once. */
  end(): void {
    for (const { outer, inner } of this.bridges) {
      inner.destroy();
      outer.destroy();
    }
  }

  private greetingOf({ address }: Bridge): Set<Bridge> {
    const same = this.greetingFrom.get(address) ?? new Set();
    this.greetingFrom.set(address, same);
    return same;
  }

  /** The handshake of a bridge is over, well or not. */
  private greeted(name: string, bridge: Bridge): void {
    if (this.greeting.get(name) === bridge) this.greeting.delete(name);
    const same = this.greetingFrom.get(bridge.address);
    same?.delete(bridge);
    if (same?.size === 0) this.greetingFrom.delete(bridge.address);
  }

  /** Makes room: the client that has most handshakes under way loses its oldest, and others keep theirs. */
  private endGreeting(): void {
    let most = new Set<Bridge>();
    for (const same of this.greetingFrom.values()) if (same.size > most.size) most = same;
    const [oldest] = most;
    if (oldest === undefined) return;
    this.greeted(addressesOf(oldest.outer), oldest);
    oldest.inner.destroy();
    oldest.outer.destroy();
  }

  private secured(socket: TLSSocket): void {
    const name = addressesOf(socket);
    const bridge = this.greeting.get(name);
    if (bridge !== undefined) this.greeted(name, bridge);
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
