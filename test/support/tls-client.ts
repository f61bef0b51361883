/** Clients of a server with TLS, and the flags of such a server. */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, connect } from 'node:tls';
import { Client } from './client.js';
import { fixture } from './fixtures.js';
import { within } from './until.js';

const CONNECT_MS = 5000;

/** `-Z` with the first certificate, and more words for -o. */
export function tlsFlags(...words: string[]): string[] {
  const chain = `ssl_chain_cert=${fixture('first.cert.pem')}`;
  return ['-Z', '-o', [chain, `ssl_key=${fixture('first.key.pem')}`, ...words].join(',')];
}

/** A connection that has verified the server's certificate, `first` unless `options` say otherwise. */
export async function secureClient(port: number, options: ConnectionOptions = {}): Promise<Client> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: readFileSync(fixture('first.cert.pem')),
    ...options,
  });
  try {
    await within(
      'a TLS handshake',
      CONNECT_MS,
      new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve);
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('closed in mid-handshake')));
      }),
    );
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return Client.over(socket);
}
