/** TLS with real clients: what is encrypted, who is let in, certificates that change, and a takeover. */
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { tlsHandshakesMost, tlsSilentMost } from '../../src/base/limits.js';
import { Client } from '../support/client.js';
import { fixture } from '../support/fixtures.js';
import { gone, hotspare, pids, said, stats } from '../support/nodes.js';
import { run } from '../support/process.js';
import { type Server, startProgram } from '../support/server.js';
import { secureClient, tlsFlags } from '../support/tls-client.js';
import { until } from '../support/until.js';

const second = {
  cert: readFileSync(fixture('second.cert.pem')),
  key: readFileSync(fixture('second.key.pem')),
};
const first = {
  cert: readFileSync(fixture('first.cert.pem')),
  key: readFileSync(fixture('first.key.pem')),
};

let server: Server | null = null;
let folder = '';
const clients: Client[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-tls-'));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.stop();
  server = null;
  rmSync(folder, { recursive: true });
});

async function start(...flags: string[]): Promise<number> {
  server = await startProgram('hotspare', flags);
  return server.port;
}

async function secure(port: number, options = {}): Promise<Client> {
  const client = await secureClient(port, options);
  clients.push(client);
  return client;
}

async function plain(port: number): Promise<Client> {
  const client = await Client.connect('127.0.0.1', port);
  clients.push(client);
  return client;
}

async function asks(client: Client, sent: string): Promise<string> {
  await client.send(sent);
  return client.readLine();
}

describe('a connection with TLS', () => {
  test('is served like any other: small, large, pipelined, and to its end', async () => {
    const client = await secure(await start(...tlsFlags()));
    expect(await asks(client, 'set k 7 0 3\r\nabc\r\nget k\r\n')).toBe('STORED');
    expect(await client.readLine()).toBe('VALUE k 7 3');
    expect(await client.readLine()).toBe('abc');
    expect(await client.readLine()).toBe('END');
    const large = 'x'.repeat(1_000_000);
    expect(await asks(client, `set large 0 0 ${large.length}\r\n${large}\r\n`)).toBe('STORED');
    const answer = `VALUE large 0 ${large.length}\r\n${large}\r\nEND\r\n`;
    await client.send('get large\r\n'.repeat(4));
    expect((await client.read(answer.length * 4)).toString()).toBe(answer.repeat(4));
    client.finish();
    expect((await client.readClosed()).length).toBe(0);
  });

  test('that shuts its side down gets its answers', async () => {
    const client = await secure(await start(...tlsFlags()));
    await client.send('version\r\nget k\r\n');
    client.finish();
    expect((await client.readClosed()).toString()).toBe('VERSION 1.6.18\r\nEND\r\n');
  });

  test('ends with quit', async () => {
    const client = await secure(await start(...tlsFlags()));
    await client.send('version\r\nquit\r\n');
    expect((await client.readClosed()).toString()).toBe('VERSION 1.6.18\r\n');
  });

  test('counts once for -c, and a descriptor is not lost with it', async () => {
    const port = await start('-c', '3', ...tlsFlags());
    for (let round = 0; round < 3; round++) {
      const three = [await secure(port), await secure(port), await secure(port)];
      await expect(secure(port)).rejects.toThrow();
      const rows = await all(three[0]!, 'stats\r\n');
      expect(rows).toContain('STAT curr_connections 3\r\n');
      for (const client of three) client.close();
      await until('room again', () =>
        secure(port).then(
          () => true,
          () => false,
        ),
      );
      for (const client of clients.splice(0)) client.close();
    }
  });

  // Its session was over; its two sockets stayed for as long as it liked, and nobody counted them.
  test('that stays after quit loses its descriptors all the same', async () => {
    const port = await start(...tlsFlags());
    const before = await descriptors(port);
    const socket = await stays(port);
    socket.write('quit\r\n');
    await until('its descriptors', async () => (await descriptors(port)) > before);
    await closes(port, before);
    socket.destroy();
  });

  test('that quits and does not read what is left loses its descriptors all the same', async () => {
    const port = await start(...tlsFlags());
    const client = await secure(port);
    const value = 'x'.repeat(100_000);
    expect(await asks(client, `set k 0 0 ${value.length}\r\n${value}\r\n`)).toBe('STORED');
    const before = await descriptors(port);
    const socket = await stays(port);
    // One by one until the buffers between both are full: then there is a rest, and quit is still read.
    for (let gets = 1; !(await all(client, 'stats conns\r\n')).includes('conn_mwrite'); gets++) {
      socket.write('get k\r\n');
      const told = `STAT cmd_get ${gets}\r\n`;
      await until('the get', async () => (await all(client, 'stats\r\n')).includes(told));
    }
    socket.write('quit\r\n');
    await until('the end of the session', async () =>
      (await all(client, 'stats\r\n')).includes('STAT curr_connections 1\r\n'),
    );
    await closes(port, before);
    socket.destroy();
  });

  test('is told of by its own address', async () => {
    const client = await secure(await start(...tlsFlags()));
    const rows = await all(client, 'stats conns\r\n');
    expect(rows).toMatch(
      /addr tcp:127\.0\.0\.1:\d+\r\nSTAT \d+:listen_addr tcp:127\.0\.0\.1:\d+\r\nSTAT \d+:state conn_parse_cmd/,
    );
  });

  test('and openssl s_client', async () => {
    const port = await start(...tlsFlags());
    const trust = `-CAfile ${fixture('first.cert.pem')} -verify_return_error`;
    const talk = `openssl s_client -quiet ${trust} -connect 127.0.0.1:${port}`;
    const command = `printf 'version\\r\\nquit\\r\\n' | ${talk}`;
    const { output } = await run('sh', ['-c', command], 10_000);
    expect(output).toContain('VERSION 1.6.18');
  });
});

describe('handshakes that are not finished', () => {
  // 3,000 half hellos a second took 500 MB, and gave nothing back.
  test('have a limit: the oldest of the address that has the most goes, others stay', async () => {
    const port = await start(...tlsFlags());
    const half = (localAddress: string): Promise<Socket> =>
      new Promise((resolve, reject) => {
        const socket = connectPlain({ host: '127.0.0.1', port, localAddress });
        socket.once('error', reject);
        // The head of a record of 512 bytes that never come.
        socket.write(Buffer.from([22, 3, 1, 2, 0]), () => resolve(socket.resume()));
      });
    const other = await half('127.0.0.9');
    const before = await descriptors(port);
    const flood: Socket[] = [];
    for (let count = 0; count < tlsSilentMost; count++) flood.push(await half('127.0.0.1'));
    // Each has its socket, and no part in TLS yet.
    expect(await descriptors(port)).toBeLessThanOrEqual(before + tlsSilentMost);
    await until('the end of the oldest', () => flood[0]!.closed || flood[0]!.readableEnded);
    expect([other.closed, other.readableEnded]).toEqual([false, false]);
    expect(flood.slice(1).some((socket) => socket.closed)).toBe(false);
    // Whoever comes now, from that address even, is served.
    expect(await asks(await secure(port), 'version\r\n')).toBe('VERSION 1.6.18');
    for (const socket of [...flood, other]) socket.destroy();
    await until('the descriptors to be closed', async () => (await descriptors(port)) < 60);
  });
});

// Of 1,000 clients that came at once, as all do behind a takeover, 196 were closed in mid-handshake.
test('clients that all come at once are all served, each in its turn', async () => {
  const port = await start(...tlsFlags(), '-c', '2000');
  const count = 3 * tlsHandshakesMost;
  const all = Array.from({ length: count }, async () => asks(await secure(port), 'version\r\n'));
  expect(new Set(await Promise.all(all))).toEqual(new Set(['VERSION 1.6.18']));
});

test('what comes behind a hello, and before its answer, is not taken for decrypted', async () => {
  const port = await start(...tlsFlags());
  const socket = connectPlain(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  // A whole record of a hello that says nothing, and more.
  socket.write(Buffer.from([22, 3, 1, 0, 1, 1]));
  for (let sent = 0; sent < 100; sent++) socket.write('set k 0 0 1\r\n1\r\nversion\r\n');
  await until('the end', () => socket.closed);
  expect(answer).not.toMatch(/VERSION|STORED|ERROR/);
  expect(await asks(await secure(port), 'get k\r\n')).toBe('END');
});

describe('who is let in', () => {
  test('nobody without TLS, and notls: listeners are plain', async () => {
    const open = await freePort();
    const port = await start(...tlsFlags(), '-l', `notls:127.0.0.1:${open}`);
    const stranger = await plain(port);
    await stranger.send('version\r\n');
    expect((await stranger.readClosed()).toString('latin1')).not.toContain('VERSION');
    expect(await asks(await plain(open), 'version\r\n')).toBe('VERSION 1.6.18');
  });

  test('ssl_verify_mode 2: only who shows a certificate that ssl_ca_cert vouches for', async () => {
    const port = await start(
      ...tlsFlags('ssl_verify_mode=2', `ssl_ca_cert=${fixture('second.cert.pem')}`),
    );
    expect(await asks(await secure(port, second), 'version\r\n')).toBe('VERSION 1.6.18');
    await expect(served(port, {})).resolves.toBe(false);
    await expect(served(port, first)).resolves.toBe(false);
  });

  test('ssl_verify_mode 1: a certificate that is shown must be good', async () => {
    const port = await start(
      ...tlsFlags('ssl_verify_mode=1', `ssl_ca_cert=${fixture('second.cert.pem')}`),
    );
    await expect(served(port, second)).resolves.toBe(true);
    await expect(served(port, {})).resolves.toBe(true);
    await expect(served(port, first)).resolves.toBe(false);
  });

  test('ssl_min_version', async () => {
    const port = await start(...tlsFlags('ssl_min_version=3'));
    await expect(served(port, {})).resolves.toBe(true);
    await expect(served(port, { maxVersion: 'TLSv1.2' })).resolves.toBe(false);
  });

  test('a key in DER', async () => {
    const words = `ssl_chain_cert=${fixture('first.cert.pem')},ssl_key=${fixture('first.key.der')},ssl_keyformat=2`;
    await expect(served(await start('-Z', '-o', words), {})).resolves.toBe(true);
  });
});

describe('refresh_certs', () => {
  test('lets new connections have the new certificate, and says what is wrong with a bad one', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    copyFileSync(fixture('first.cert.pem'), cert);
    copyFileSync(fixture('first.key.pem'), key);
    const port = await start('-Z', '-o', `ssl_chain_cert=${cert},ssl_key=${key}`);
    const old = await secure(port);
    copyFileSync(fixture('second.cert.pem'), cert);
    expect(await asks(old, 'refresh_certs\r\n')).toMatch(/^Error loading the key: .*mismatch/);
    await expect(served(port, {})).resolves.toBe(true);
    copyFileSync(fixture('second.key.pem'), key);
    expect(await asks(old, 'refresh_certs\r\n')).toBe('OK');
    await expect(served(port, {})).resolves.toBe(false);
    await expect(served(port, { ca: second.cert })).resolves.toBe(true);
    expect(await asks(old, 'version\r\n')).toBe('VERSION 1.6.18');
  });
});

test.each([
  [['-Z'], /ssl_chain_cert/],
  [
    ['-Z', '-o', 'ssl_chain_cert=/nowhere,ssl_key=/nowhere'],
    /Error loading the certificate chain: \/nowhere/,
  ],
  [tlsFlags('ssl_ciphers=bogus'), /Error setting the provided cipher\(s\): bogus/],
  [tlsFlags('ssl_ca_cert=/nowhere'), /Error loading the CA certificate: \/nowhere/],
  [tlsFlags('ssl_verify_mode=4'), /Invalid ssl_verify_mode/],
  [['-l', 'notls:127.0.0.1'], /'notls' option is valid only when SSL is enabled/],
])('%j is refused', async (flags, reason) => {
  const child = await hotspare('-p', '-1', ...flags);
  const { code } = await child.exited;
  expect([code, child.output()]).toEqual([64, expect.stringMatching(reason)]);
});

test('a takeover: the standby serves with TLS, on the same address, what was encrypted before', async () => {
  const [port, open] = [await freePort(), await freePort()];
  const listen = `127.0.0.1,notls:127.0.0.1:${open}`;
  const pair = await hotspare(
    'pair',
    '-v',
    '-p',
    String(port),
    '-l',
    listen,
    '--dead-after',
    '440',
    ...tlsFlags(),
  );
  try {
    await said(pair, /in sync/);
    const before = await secure(port);
    expect(await asks(before, 'set k 0 0 3\r\nabc\r\n')).toBe('STORED');
    process.kill(pids(pair, 'primary')[0]!, 'SIGKILL');
    await said(pair, /serving on/, 2);
    await before.readClosed();
    expect(await asks(await secure(port), 'get k\r\n')).toBe('VALUE k 0 3');
    expect(await asks(await plain(open), 'get k\r\n')).toBe('VALUE k 0 3');
    // It is counted once its page is adopted, in the background.
    await until(
      'the item to be counted',
      async () => (await stats(open)).get('curr_items') === '1',
    );
  } finally {
    await pair.end();
    await Promise.all([...pids(pair, 'primary'), ...pids(pair, 'standby')].map(gone));
  }
});

/** True when a client with these options gets an answer. */
async function served(port: number, options: object): Promise<boolean> {
  try {
    return (await asks(await secure(port, options), 'version\r\n')) === 'VERSION 1.6.18';
  } catch {
    return false;
  }
}

/** A client that reads nothing and never closes its side. */
function stays(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, ca: first.cert, allowHalfOpen: true };
    const socket = connectTls(options, () => {
      socket.pause();
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** The server closes descriptors until there are as many as before, and serves on. */
async function closes(port: number, before: number): Promise<void> {
  await until('the descriptors to be closed', async () => (await descriptors(port)) <= before, {
    withinMs: 20_000,
  });
  expect(await asks(await secure(port), 'version\r\n')).toBe('VERSION 1.6.18');
}

/** How many the server has open, once it has answered somebody. */
async function descriptors(port: number): Promise<number> {
  const client = await secureClient(port);
  await asks(client, 'version\r\n');
  const { length } = readdirSync(`/proc/${server!.child!.pid}/fd`);
  client.close();
  return length;
}

async function all(client: Client, sent: string): Promise<string> {
  await client.send(sent);
  return (await client.readUntil('END', (text) => text.endsWith('END\r\n'))).toString();
}
