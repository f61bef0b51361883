/**
 * The reply table when it is nearly full: replies of many rows stop in time to leave room for what every other
 * connection of the tick may still owe, a refusal behind its data block. With a table as small as that is, it shows.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type * as servers from '../../src/server.js';
import type * as wires from '../../src/wire.js';
import { Client } from '../support/client.js';

const host = '127.0.0.1';
/** Rows: of a large reply, and of every connection of a tick. */
const repliesMax = 24;
const largeBytes = 20_000;
const tooLargeBytes = 300_000;

let wire: wires.Wire;
let server: servers.Server;
const clients: Client[] = [];

beforeEach(() => {
  const limits = jest.requireActual<object>('../../src/limits.js');
  jest.doMock('../../src/limits.js', () => ({ ...limits, repliesMax }));
  const { Server } = load<typeof import('../../src/server.js')>('../../src/server.js');
  const { Wire } = load<typeof import('../../src/wire.js')>('../../src/wire.js');
  const { Journal } = load<typeof import('../../src/journal.js')>('../../src/journal.js');
  const { mapRegion } = load<typeof import('../../src/memory.js')>('../../src/memory.js');
  const { defaults } = load<typeof import('../../src/options.js')>('../../src/options.js');
  const { geometryOf } = load<typeof import('../../src/store/layout.js')>(
    '../../src/store/layout.js',
  );
  const settings = {
    ...defaults,
    port: -1,
    listen: [host],
    memoryBytes: 2 ** 23,
    itemBytesMax: 2 ** 18,
  };
  wire = new Wire({ connectionsMax: 64 });
  const { memory, region } = mapRegion(geometryOf(settings), { file: null }, new Journal());
  const log = { say: () => {}, detail: () => {} };
  server = new Server(wire, memory.segments, region, settings, log);
  server.serve();
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server.depose();
  wire.transport.destroy();
  jest.dontMock('../../src/limits.js');
});

test('many large replies and refusals in one tick have room', async () => {
  const value = 'v'.repeat(largeBytes);
  const first = await connect();
  await first.send(`set k 0 0 ${largeBytes}\r\n${value}\r\n`);
  expect(await first.readLine()).toBe('STORED');
  const reply = `VALUE k 0 ${largeBytes}\r\n${value}\r\nEND\r\n`;
  const refusal = 'SERVER_ERROR object too large for cache\r\n';
  const gets = 8;
  const refused = `set n 0 0 ${tooLargeBytes}\r\n${'n'.repeat(tooLargeBytes)}\r\n`;
  const round = 'get k\r\n'.repeat(gets) + refused;
  const expected = reply.repeat(gets) + refusal;
  const rounds = 4;
  const all = await Promise.all(Array.from({ length: 24 }, connect));
  await Promise.all(
    all.map(async (client) => {
      await client.send(round.repeat(rounds));
      const text = await client.read(expected.length * rounds, 20_000);
      expect(text.toString() === expected.repeat(rounds)).toBe(true);
    }),
  );
});

/** A module as the program sees it, over the small table. */
function load<Module>(path: string): Module {
  return require(path) as Module;
}

async function connect(): Promise<Client> {
  const client = await Client.connect(host, server.facts.port);
  clients.push(client);
  return client;
}
