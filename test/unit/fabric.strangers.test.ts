/** The port that standbys connect to, and others: whatever comes, the one that is expected gets in. */
import net from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { FabricListener } from '../../backup/link/fabrics.js';
import type { MirrorSettings } from '../../backup/mirror-settings.js';
import { native } from '../../src/native/addon.js';
import { FabricCell, FabricEvent, fabric } from '../../src/native/fabric.js';
import {
  connected,
  End,
  fabricRegion,
  must,
  nowhere,
  record,
  regionBytes,
  span,
} from '../support/fabrics.js';
import { linkHost, missing, provider } from '../support/links.js';
import { until } from '../support/until.js';

const ends: End[] = [];
const sockets: net.Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const end of ends.splice(0)) end.native.close();
});

function listening(): { writer: End; port: number } {
  const writer = new End(true, 0);
  ends.push(writer);
  return { writer, port: must(writer.native.listen()) };
}

/** A batch of the expected one arrives. */
async function expectWelcome(writer: End, port: number): Promise<void> {
  const [region, source] = [fabricRegion(), fabricRegion()];
  const { reader, parts } = await connected(writer, port, region);
  ends.push(reader);
  writer.native.aim(source.id, ...span, parts);
  const list = record(8192, Buffer.alloc(64, 5));
  writer.native.post(list, 0, list.length, 1);
  await until('the ack', () => writer.native.cells[FabricCell.ACKED_SEQUENCE] === 1);
  const bytes = new Uint8Array(region.segments[0]!);
  await until('its range', () => bytes[63] === 5);
}

(missing === null ? describe : describe.skip)('whoever connects', () => {
  test('with more private bytes than anybody needs is turned away like others', async () => {
    const { writer, port } = listening();
    writer.token = Buffer.from('the right one');
    for (const length of [57, 100, 200, 256]) {
      const stranger = new End(false, port);
      ends.push(stranger);
      // Connection managers of cards carry fewer.
      const failure = stranger.native.connect(Buffer.alloc(length, 1), 0, length);
      if (failure === null) await until('an end', () => stranger.has(FabricEvent.BROKEN));
    }
    expect(writer.has(FabricEvent.CONNECTED)).toBe(false);
    await expectWelcome(writer, port);
  });

  (provider === 'tcp' ? test : test.skip)('speaks no libfabric, or says nothing', async () => {
    const { writer, port } = listening();
    for (const bytes of ['', 'x', 'GET / HTTP/1.1\r\n\r\n', '\0'.repeat(4096), 'y'.repeat(4096)]) {
      const socket = net.connect(port, linkHost);
      sockets.push(socket);
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(bytes);
    }
    await expectWelcome(writer, port);
    expect(writer.seen.filter(({ kind }) => kind === FabricEvent.CONNECTION_REQUEST)).toHaveLength(
      1,
    );
  });

  test('and stays, whatever it said, lets the loop sleep', async () => {
    const { writer, port } = listening();
    writer.token = Buffer.from('the right one');
    const rejected = new End(false, port);
    ends.push(rejected);
    must(rejected.native.connect(Buffer.from('nobody'), 0, 6));
    await until('the refusal', () => rejected.has(FabricEvent.BROKEN));
    await untilAsleep();
    if (provider === 'tcp') {
      const hello = await helloOf();
      // Silent, in the midst of a hello, and behind a whole one.
      for (const length of [0, 1, hello.length - 1, hello.length]) {
        const socket = net.connect(port, linkHost);
        sockets.push(socket);
        socket.on('error', () => {});
        await new Promise((resolve) => socket.once('connect', resolve));
        await new Promise((resolve) => socket.write(hello.subarray(0, length), resolve));
        await untilAsleep();
      }
    }
    await expectWelcome(writer, port);
    await untilAsleep();
  });

  test('and is asked for nothing: writes without a connection go nowhere', () => {
    const { writer } = listening();
    const source = fabricRegion();
    writer.native.aim(source.id, ...span, nowhere);
    const list = record(8192, Buffer.alloc(regionBytes / 2));
    // More than the ring holds.
    for (let sequence = 1; sequence <= 20; sequence++) {
      writer.native.post(list, 0, list.length, sequence);
      writer.native.block(8192, regionBytes / 2);
      writer.native.beat(sequence, 0);
      writer.native.tell();
    }
    expect(writer.native.cells[FabricCell.WRITES]).toBe(0);
    native.regionClose(source.id);
  });

  test('with a token that has let somebody in already is turned away, and takes nobody’s place', async () => {
    const mirrorSettings = { ackTimeoutMs: 2000, spinUs: 0 } as MirrorSettings;
    const port = must(FabricListener.open(fabric, provider, linkHost, mirrorSettings));
    const token = Buffer.from('the right one');
    const told: string[] = [];
    port.expected = {
      token,
      connected: () => told.push('connected'),
      broken: () => told.push('broken'),
      completed: () => {},
    };
    const [region, source] = [fabricRegion(), fabricRegion()];
    const first = new End(false, port.port);
    const { parts } = must(first.native.expose(region.id, ...span));
    must(first.native.connect(token, 0, token.length));
    await until('the connection', () => told.length > 0);
    const second = new End(false, port.port);
    ends.push(first, second);
    must(second.native.connect(token, 0, token.length));
    await until('an answer', () => second.seen.length > 0);
    expect(second.has(FabricEvent.BROKEN)).toBe(true);
    port.native.aim(source.id, ...span, parts);
    const list = record(8192, Buffer.alloc(64, 5));
    expect(port.native.post(list, 0, list.length, 1)).toBe(1);
    await until('the ack', () => port.native.cells[FabricCell.ACKED_SEQUENCE] === 1);
    expect(told).toEqual(['connected']);
    port.native.close();
  });

  test('is not taken for one that connected before, and was let go of', async () => {
    const { writer, port } = listening();
    const token = Buffer.from('the right one');
    writer.token = token;
    // In the turn in which the first one's CONNECTED comes the writer lets go of it, and waits for another.
    const first = new End(false, port);
    const region = fabricRegion();
    ends.push(first);
    first.native.expose(region.id, ...span);
    const requested = (): boolean => writer.has(FabricEvent.CONNECTION_REQUEST);
    writer.accepted = () => {
      writer.accepted = () => {};
      // Whatever the connection has to tell is read here, and told in the next turn.
      const before = performance.now();
      while (performance.now() - before < 100) writer.native.beat(1, 1);
      writer.native.disconnect();
    };
    must(first.native.connect(token, 0, token.length));
    await until('the request', requested);
    await until('its end', () => first.has(FabricEvent.BROKEN));
    expect(writer.has(FabricEvent.CONNECTED)).toBe(false);
    expect(writer.has(FabricEvent.BROKEN)).toBe(false);
    await expectWelcome(writer, port);
  });

  (provider === 'tcp' ? test : test.skip)(
    'while a write waits for room is heard later, and keeps the wait from no sleep',
    async () => {
      const hello = await helloOf();
      const { writer, port } = listening();
      const [region, source] = [fabricRegion(), fabricRegion()];
      const { reader, parts } = await connected(writer, port, region);
      ends.push(reader);
      writer.native.aim(source.id, ...span, parts);
      const socket = net.connect(port, linkHost);
      sockets.push(socket);
      socket.on('error', () => {});
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write(hello);
      // The reader has no turn in here: the ring is full until patience is over.
      const list = record(8192, Buffer.alloc(regionBytes / 2));
      const sleeps = process.resourceUsage().voluntaryContextSwitches;
      for (let sequence = 1; sequence <= 20; sequence++) {
        writer.native.post(list, 0, list.length, sequence);
      }
      // It slept again and again, for two seconds. However busy the machine is: that is more often than this.
      expect(process.resourceUsage().voluntaryContextSwitches - sleeps).toBeGreaterThan(20);
      expect(writer.native.cells[FabricCell.STAGING_STALLS]).toBe(1);
      await until('the end', () => writer.has(FabricEvent.BROKEN));
      await until('the stranger', () => writer.has(FabricEvent.CONNECTION_REQUEST));
      expect(writer.native.cells[FabricCell.ACKED_SEQUENCE]).toBeLessThan(20);
    },
  );

  test('and leaves with requests unanswered takes nothing with it', async () => {
    const { writer, port } = listening();
    const strangers = Array.from({ length: 3 }, () => new End(false, port));
    ends.push(...strangers);
    for (const stranger of strangers) stranger.native.connect(Buffer.from('nobody'), 0, 6);
    writer.native.close();
    await until('their ends', () => strangers.every((end) => end.has(FabricEvent.BROKEN)), {
      withinMs: 10_000,
    });
  });
});

async function untilAsleep(): Promise<void> {
  const begun = performance.eventLoopUtilization();
  await until('the loop to sleep', () => {
    const { active, idle } = performance.eventLoopUtilization(begun);
    return active + idle > 50 && idle > active;
  });
}

/** What libfabric says first, over tcp, to whoever listens. */
async function helloOf(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (bytes) => chunks.push(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, linkHost, resolve));
  const caller = new End(false, (server.address() as net.AddressInfo).port);
  ends.push(caller);
  must(caller.native.connect(Buffer.from('nobody'), 0, 6));
  await until('its hello', () => Buffer.concat(chunks).toString('latin1').includes('nobody'));
  server.close();
  return Buffer.concat(chunks);
}
