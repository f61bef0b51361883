/** Who is named as the slowest reader: nobody who only came after him. */
import { afterEach, expect, test } from '@jest/globals';
import { failed } from '../../src/native/addon.js';
import { Wire } from '../../src/net/wire.js';
import { Client } from '../support/client.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const references = 100;

const wire = new Wire({ connectionsMax: 1 });
const clients: Client[] = [];

afterEach(() => {
  for (const client of clients) client.close();
  wire.transport.destroy();
});

test('a client in the slot of one that is gone is not taken for him', async () => {
  wire.transport.limit(1, '');
  wire.useSegments([new ArrayBuffer(16)]);
  const slowest: (number | null)[] = [];
  let barrier = 1;
  wire.hooks = { begin: () => {}, end: () => barrier, released: () => {} };
  const listener = wire.listen(
    { host, port: 0, path: null, mode: 0, backlog: 8, group: 0 },
    (connection) => {
      slowest.push(wire.slowestReader(0));
      return {
        data: (_, length) => {
          for (let i = 0; i < references; i++) wire.output.onReference(0, 0, 16, i + 1);
          slowest.push(wire.slowestReader(0), connection);
          return length;
        },
        closed: () => {
          barrier = 0;
        },
      };
    },
  );
  if (failed(listener)) throw new Error(listener.error);
  const port = wire.transport.listenerPort(listener);
  clients.push(await Client.connect(host, port));
  await clients[0]!.send('get');
  await until('the reader', () => slowest.length === 3);
  // It waits in the kernel until the slot is free, and is there before all that the first was sent is released.
  clients.push(await Client.connect(host, port));
  clients[0]!.close(true);
  await until('the next', () => slowest.length === 4);
  expect(slowest).toEqual([null, slowest[2], slowest[2], null]);
});
