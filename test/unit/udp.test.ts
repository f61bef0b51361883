/** Datagrams whose answers the network does not take. The rest of UDP is tried with whole servers, in test/e2e. */
import { Socket } from 'node:dgram';
import { afterEach, expect, jest, test } from '@jest/globals';
import { datagramQueueBytesMost } from '../../src/base/limits.js';
import { failed } from '../../src/native/addon.js';
import { Udp } from '../../src/net/udp.js';
import { Wire } from '../../src/net/wire.js';
import { lines } from '../../src/protocol/reply.js';
import { DatagramClient } from '../support/datagrams.js';

const wire = new Wire({ connectionsMax: 8 });
let requests = 0;
let client: DatagramClient | null = null;
const udp = new Udp({
  wire,
  accept: (connection) => ({
    data: (_, length) => {
      requests++;
      wire.output.put(lines.ok);
      wire.close(connection, true);
      return length;
    },
    closed: () => {},
  }),
});

afterEach(() => {
  jest.restoreAllMocks();
  client?.close();
  udp.end();
  wire.transport.destroy();
});

test('while answers pile up behind the network, requests are dropped', async () => {
  const port = udp.listen('127.0.0.1', 0);
  if (failed(port)) throw new Error(port.error);
  client = new DatagramClient(port);
  expect(await client.ask(1, 'one')).toBe('OK\r\n');
  const queue = jest.spyOn(Socket.prototype, 'getSendQueueSize');
  queue.mockReturnValueOnce(datagramQueueBytesMost + 1).mockReturnValue(0);
  await client.send(2, 'two');
  expect(await client.ask(3, 'three')).toBe('OK\r\n');
  expect(requests).toBe(2);
});
