/**
 * What a standby makes of its own machine's refusal, and of bytes that are no frame, at the address where it mirrored:
 * a death where the primary itself listened there, and nothing where a port forward did.
 */
import net from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Welcome } from '../../backup/channel/hello.js';
import { isDirect } from '../../backup/standby/handshake-checks.js';
import { Attachment, type AttachmentParts } from '../../failover/attachment.js';
import { freePort } from '../../failover/drill/free-port.js';
import type { Observation } from '../../failover/observation.js';
import { defaults } from '../../src/flags/settings.js';
import { Wire } from '../../src/net/wire.js';
import { mirrorSettingsWith, smallPrimary } from '../support/lone-primary.js';
import { Relay } from '../support/relay.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const mirrorSettings = mirrorSettingsWith({ secret: Buffer.from('a secret of two nodes') });
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function newWire(): Wire {
  const wire = new Wire({ connectionsMax: 160 });
  ends.push(() => wire.transport.destroy());
  return wire;
}

/** A primary in this process, and the port where standbys attach. */
function reigning(): { readonly port: number; end(): void } {
  const { primary, end } = smallPrimary(newWire(), mirrorSettings);
  ends.push(end);
  return { port: primary.listen(host, 0), end: () => primary.end() };
}

/** A node that mirrors the primary at this port, and what it has seen but for silences. */
async function mirroring(port: number) {
  const seen: Observation[] = [];
  const parts = {
    wire: newWire(),
    settings: { ...defaults, port: 0 },
    mirrorSettings,
    log: { say: () => {}, detail: () => {} },
    report: () => {},
    linkPort: { isOpen: false },
    role: () => ({ state: 'standby' }),
    observe: (one: Observation) => {
      if (one.what !== 'silence') seen.push(one);
      return one.what === 'metCache' ? 'mirror' : null;
    },
  };
  const node = new Attachment(parts as unknown as AttachmentParts);
  ends.push(() => node.discard());
  const next = async (what: Observation['what']): Promise<Observation> =>
    until(
      () => `${what}, not ${JSON.stringify(seen)}`,
      () => seen.find((one) => one.what === what),
    );
  node.begin({ host, port });
  await next('synced');
  return { node, next };
}

async function relayTo(port: number): Promise<{ readonly port: number; end(): void }> {
  const relay = new Relay(port);
  ends.push(() => relay.end());
  return { port: await relay.listen(), end: () => relay.end() };
}

/** Whatever connects to this port gets bytes that are no frame. */
function speakOtherwise(port: number): Promise<void> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.write('A'.repeat(64));
  });
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((resolve) => server.listen(port, host, resolve));
}

describe.each([
  ['where the primary itself listened', false],
  ['where a port forward listened', true],
])('%s', (_, isForwarded) => {
  test('a refused connection', async () => {
    const primary = reigning();
    const at = isForwarded ? await relayTo(primary.port) : primary;
    const { node, next } = await mirroring(at.port);
    at.end();
    await next('lost');
    node.attach();
    expect(await next('refused')).toEqual({ what: 'refused', isHere: !isForwarded });
  });

  test('bytes that are no frame', async () => {
    const primary = reigning();
    const at = isForwarded ? await relayTo(primary.port) : primary;
    const { node, next } = await mirroring(at.port);
    at.end();
    await next('lost');
    await speakOtherwise(at.port);
    node.attach();
    expect(await next('turnedAway')).toMatchObject({ why: 'peer', isSure: !isForwarded });
  });
});

test('a refusal at an address where no primary has welcomed this node', async () => {
  const primary = reigning();
  const { node, next } = await mirroring(primary.port);
  node.learn(9, `${host}:${await freePort()}`, '');
  node.follow();
  primary.end();
  await next('lost');
  node.attach();
  expect(await next('refused')).toEqual({ what: 'refused', isHere: false });
});

test.each([
  ['tcp:10.0.0.1:4711', 'tcp:10.0.0.1:11299', true],
  // A proxy has a connection of its own.
  ['tcp:10.0.0.1:4712', 'tcp:10.0.0.1:11299', false],
  // What translates addresses leaves the standby's as it was.
  ['tcp:10.0.0.1:4711', 'tcp:172.17.0.2:11299', false],
  // The connection was gone when the primary looked.
  ['', '', false],
])('a connection that the primary sees from %s to %s', (seenStandby, seenPrimary, direct) => {
  const ours = { local: 'tcp:10.0.0.1:4711', peer: 'tcp:10.0.0.1:11299' };
  expect(isDirect(ours, { seenStandby, seenPrimary } as Welcome)).toBe(direct);
  expect(isDirect({ local: '', peer: '' }, { seenStandby, seenPrimary } as Welcome)).toBe(false);
});
