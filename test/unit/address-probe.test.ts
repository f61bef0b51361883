/** What a standby says of the clients' addresses: which of them, of any kind, it could not bind now. */
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { AddressProbe } from '../../failover/address-probe.js';
import { freePort } from '../../failover/drill/free-port.js';
import { complaintMs } from '../../src/base/limits.js';
import { defaults, type Settings } from '../../src/flags/settings.js';
import type { HeldAddresses } from '../../src/net/client-addresses.js';
import { Wire } from '../../src/net/wire.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const nothing: HeldAddresses = { tcp: 0, udp: 0, path: '' };
const ready = 'the address can be bound again: ready to take over';

let wire: Wire;
let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  wire = new Wire({ connectionsMax: 8 });
  folder = mkdtempSync(join(tmpdir(), 'hotspare-probe-'));
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  wire.transport.destroy();
  rmSync(folder, { recursive: true });
});

function probeOf(settings: Partial<Settings>) {
  const said: string[] = [];
  const log = { say: (line: string) => void said.push(line), detail: () => {} };
  const probe = new AddressProbe(wire, { ...defaults, port: 0, listen: [host], ...settings }, log);
  const look = (nowMs: number, held = nothing): void => probe.look(nowMs, held, () => true);
  /** Looks, and waits for a line that is the `nth`. */
  const says = (nth: number, nowMs: number): Promise<string> => {
    look(nowMs);
    return until(
      () => `line ${nth}, not ${said.join('; ')}`,
      () => said[nth - 1],
    );
  };
  return { probe, said, look, says };
}

/** Another program listens there; returns what ends it. */
async function holdTcp(port: number, at: string): Promise<() => Promise<void>> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen({ port, host: at, ipv6Only: true }, resolve));
  return closing(server);
}

async function holdPath(path: string): Promise<() => Promise<void>> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return closing(server);
}

function closing(server: net.Server): () => Promise<void> {
  const close = (): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));
  ends.push(close);
  return close;
}

async function holdUdp(port: number): Promise<() => Promise<void>> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(port, host, resolve));
  let isOpen = true;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      if (isOpen) socket.close(() => resolve());
      else resolve();
      isOpen = false;
    });
  ends.push(close);
  return close;
}

const kinds: Record<
  string,
  (
    port: number,
    path: string,
  ) => { settings: Partial<Settings>; hold(): Promise<() => unknown>; held: HeldAddresses }
> = {
  'TCP 127.0.0.1 port \\d+': (port) => ({
    settings: { port },
    hold: () => holdTcp(port, host),
    held: { ...nothing, tcp: port },
  }),
  'UDP 127.0.0.1 port \\d+': (port) => ({
    settings: { udpPort: port },
    hold: () => holdUdp(port),
    held: { ...nothing, udp: port },
  }),
  'UNIX socket \\S+': (_, path) => ({
    settings: { unixSocket: path },
    hold: () => holdPath(path),
    held: { ...nothing, path },
  }),
  // The addresses of both families are bound.
  'TCP port \\d+': (port) => ({
    settings: { port, listen: [] },
    hold: () => holdTcp(port, '::'),
    held: { ...nothing, tcp: port },
  }),
};

test.each(Object.keys(kinds))(
  '%s that is taken is said, again in a minute, and when it is free',
  async (name) => {
    const { settings, hold, held } = kinds[name]!(await freePort(), join(folder, 'socket'));
    const free = await hold();
    const { probe, said, look, says } = probeOf(settings);
    const lines = new RegExp(
      `^NOT ready to take over: failed to listen on ${name}: Address already in use$`,
    );
    expect(await says(1, 1)).toMatch(lines);
    expect(probe.sentence(2)).toBe(said[0]);
    look(3);
    look(2 + complaintMs - 1);
    expect(await says(2, 2 + complaintMs)).toMatch(lines);
    await free();
    expect(await says(3, 4 + complaintMs)).toBe(ready);
    look(4 + 3 * complaintMs);
    // What the primary holds, on this machine, is free once it is dead.
    await hold();
    look(5 + 3 * complaintMs, held);
    expect(await says(4, 6 + 3 * complaintMs)).toMatch(lines);
    expect(said).toHaveLength(4);
  },
);

test.each([
  ['a file of another kind', 'file', 'Address already in use'],
  ['a folder that is not there', 'none/socket', 'bind: ENOENT'],
])('%s in the place of a UNIX socket', async (_, name, why) => {
  const path = join(folder, name);
  if (name === 'file') writeFileSync(path, '');
  const { says } = probeOf({ unixSocket: path });
  expect(await says(1, 1)).toBe(
    `NOT ready to take over: failed to listen on UNIX socket ${path}: ${why}`,
  );
});
