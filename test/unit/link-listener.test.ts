/** The link's port over a real transport: a standby gets in, whatever strangers do, and nobody is left behind. */
import net from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType, frameHeaderBytes, writeHeader } from '../../backup/channel/frame.js';
import { LinkListener } from '../../backup/primary/link-listener.js';
import type { PrimaryHandshake } from '../../backup/primary/primary-handshake.js';
import {
  controlBytesMax,
  greetingsMax,
  greetingsOfAddressMax,
  helloMs,
  linkConnections,
} from '../../src/base/limits.js';
import { machine, type Timer } from '../../src/native/ports.js';
import { Wire } from '../../src/net/wire.js';
import { helloOf, Peer } from '../support/peer.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
/** Of this machine as well, and another address. */
const elsewhere = '127.0.0.2';
const secret = Buffer.from('a secret of two nodes');

let wire: Wire;
let listener: LinkListener;
let port: number;
let proved: PrimaryHandshake[];
let peers: Peer[];

beforeEach(() => {
  wire = new Wire({ connectionsMax: linkConnections });
  open();
});

function open(): void {
  proved = [];
  peers = [];
  const log = { say: () => {}, detail: () => {} };
  listener = new LinkListener(wire, { secret, cipher: 'auto' }, log, (handshake) =>
    proved.push(handshake),
  );
  port = listener.listen(host, 0);
}

afterEach(() => {
  for (const peer of peers) peer.end();
  listener.close();
  wire.transport.destroy();
});

async function connect(localAddress = host): Promise<Peer> {
  const socket = net.connect({ port, host, localAddress });
  await new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const peer = new Peer(socket);
  peers.push(peer);
  return peer;
}

/** Strangers, one after another, as many as do not fit beside each other. */
async function crowd(
  count: number,
  localAddress: string,
  say: (peer: Peer) => void,
): Promise<void> {
  for (let i = 0; i < count; i++) say(await connect(localAddress));
}

const kinds: Record<string, (peer: Peer) => void> = {
  'are silent': () => {},
  'are refused': (peer) => peer.send(FrameType.ACK, null),
  'send noise': (peer) => peer.socket.write('GET / HTTP/1.1\r\n\r\n'),
};

test.each(Object.keys(kinds))(
  'a standby that has said hello gets in 12 of 12 times, however many strangers %s',
  async (kind) => {
    for (let round = 1; round <= 12; round++) {
      const standby = await connect();
      const prove = await standby.greet(secret);
      // Many times more than would come in its round trip.
      await crowd(greetingsOfAddressMax + 8, host, kinds[kind]!);
      prove({});
      await until(`standby ${round}`, () => proved.length === round);
      proved.at(-1)!.channel.close(false);
    }
    expect(proved).toHaveLength(12);
  },
);

test('a peer whose hello took too long is told to try again, and gets in then', async () => {
  listener.close();
  wire.transport.destroy();
  const { timers } = machine;
  const after = (ms: number, then: () => void): Timer =>
    timers.after(ms === helloMs ? 50 : ms, then);
  wire = new Wire({
    connectionsMax: linkConnections,
    ports: { ...machine, timers: { ...timers, after } },
  });
  open();
  const slow = await connect();
  expect(await slow.message(FrameType.REFUSED)).toMatchObject({
    reason: 'the hello took too long',
    remedy: 'try again',
  });
  const again = await connect();
  await again.prove({}, secret);
  await until('the standby', () => proved.length === 1);
});

test('strangers of another address that say hello and stay leave room for a standby', async () => {
  const greeted = (peer: Peer): void => peer.send(FrameType.HELLO, helloOf('any'));
  await crowd(greetingsMax, elsewhere, greeted);
  const standby = await connect();
  await standby.prove({}, secret);
  await until('the standby', () => proved.length === 1);
});

test('one who has proved itself and waits is closed with the door', async () => {
  const standby = await connect();
  await standby.prove({}, secret);
  await until('the standby', () => proved.length === 1);
  listener.close();
  await until('its end', () => standby.closed);
});

test('one who has proved itself, waits and goes is gone', async () => {
  const standby = await connect();
  await standby.prove({}, secret);
  await until('the standby', () => proved.length === 1);
  standby.end();
  await until('its end', () => !proved[0]!.channel.isOpen);
});

// Each got a buffer for the longest batch.
test('half a message of each of many strangers takes little memory', async () => {
  const count = 60;
  const longest = frameHeaderBytes + controlBytesMax;
  const half = Buffer.alloc(frameHeaderBytes + 8);
  const fields = { type: FrameType.HELLO, epoch: 0, count: 0, sequence: 0 };
  writeHeader(new DataView(half.buffer, half.byteOffset), 0, { ...fields, length: 200 });
  const { transport } = wire;
  const register = transport.register.bind(transport);
  const sizes: number[] = [];
  const value = (buffer: ArrayBuffer): number => {
    sizes.push(buffer.byteLength);
    return register(buffer);
  };
  Object.defineProperty(transport, 'register', { value });
  await crowd(count, host, (peer) => peer.socket.write(half));
  await until('all halves', () => sizes.length === count);
  expect(Math.max(...sizes)).toBe(longest);
});
