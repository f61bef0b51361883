/**
 * The reply table when it is nearly full: a connection with many large replies stops in time to leave room for what
 * every other connection of the tick may still owe, a refusal behind its data block. The table is small here.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type * as wires from '../../src/net/wire.js';
import { Client } from '../support/client.js';

const host = '127.0.0.1';
const repliesMax = 32;
/** Connections of a tick. */
const eventsMax = 8;
const largeBytes = 1000;

let wire: wires.Wire;
let port: number;
let clients: Client[];
/** Connections served by tick. */
let ticks: string[][];
/** Large replies that are still due. */
let due: number;

beforeEach(async () => {
  const limits = jest.requireActual<object>('../../src/base/limits.js');
  jest.doMock('../../src/base/limits.js', () => ({ ...limits, repliesMax, eventsMax }));
  const { Wire } = require('../../src/net/wire.js') as typeof wires;
  wire = new Wire({ connectionsMax: 32 });
  wire.useSegments([new ArrayBuffer(largeBytes)]);
  ticks = [];
  due = 0;
  wire.hooks = { begin: () => ticks.push([]), end: () => 0, released: () => {} };
  const listener = wire.listen(
    { host, port: 0, path: null, mode: 0, backlog: 16, group: 0 },
    () => ({ data, closed: () => {} }),
  );
  port = wire.transport.listenerPort(listener as number);
  clients = await Promise.all(Array.from({ length: eventsMax }, () => Client.connect(host, port)));
});

afterEach(() => {
  for (const client of clients) client.close();
  wire.transport.destroy();
  jest.dontMock('../../src/base/limits.js');
});

test('many large replies leave room for a refusal to each other connection of the tick', async () => {
  const large = 40;
  due = large;
  // Sent in one turn of this loop, which is the transport's as well: they arrive in one tick.
  const sent = clients.map((client, i) => client.send(i === 0 ? 'large' : 'small'));
  await Promise.all(sent);
  for (const client of clients.slice(1)) expect(await client.readLine()).toBe('no');
  const text = await clients[0]!.read(large * (largeBytes + 4));
  expect(text.toString('latin1').match(/<\0+>\r\n/g)).toHaveLength(large);
  const first = ticks.find((names) => names.includes('large'))!;
  expect(first.filter((name) => name === 'small')).toHaveLength(eventsMax - 1);
  expect(ticks.filter((names) => names.includes('large')).length).toBeGreaterThan(1);
});

/** As a session: large replies for as long as there is room, short ones without asking. */
function data(offset: number, length: number): number {
  const name = Buffer.from(wire.input.subarray(offset, offset + length)).toString();
  ticks.at(-1)!.push(name);
  if (name === 'small') {
    put('no\r\n');
    return length;
  }
  for (; due > 0 && !wire.isFull(); due--) {
    put('<');
    wire.output.onReference(0, 0, largeBytes, 8);
    put('>\r\n');
  }
  wire.again = due > 0;
  return due > 0 ? 0 : length;
}

function put(text: string): void {
  const { output } = wire;
  output.at += Buffer.from(output.bytes.buffer).write(text, output.at, 'latin1');
}
