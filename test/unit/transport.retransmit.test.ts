/**
 * How soon a link sends again what was lost. A link that waited for 200 ms, then for 400, was silent for longer than
 * --dead-after where one packet in twenty was lost: its living primary was taken over about once a minute.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { release } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { echo, must, open, reached, serve } from '../support/tickserver.js';

const [major = 0, minor = 0] = release().split('.').map(Number);
/** Linux lets a socket have a time of its own since 6.15. */
const possible = major > 6 || (major === 6 && minor >= 15);
const kernelsOwnMs = 200;

describe('sends again sooner than the kernel would by itself, unless for a client:', () => {
  test.each([
    ['a link', 1, 0, kernelsOwnMs / 2],
    ['a client', 0, kernelsOwnMs, 1000],
  ] as const)('%s that is accepted', async (_, group, least, most) => {
    const server = serve(echo);
    const port = server.listen(group);
    const client = await open(port);
    await echoed(client.socket);
    judge(retransmitMs(port), least, most);
  });

  test('a link that connects', async () => {
    const listener = net.createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as net.AddressInfo;
    const accepted = new Promise<net.Socket>((resolve) => listener.once('connection', resolve));
    const server = serve(echo);
    must(server.transport.connect('127.0.0.1', port, 1));
    const socket = await accepted;
    await echoed(socket);
    judge(retransmitMs(socket.remotePort!), 0, kernelsOwnMs / 2);
    socket.destroy();
    listener.close();
  });
});

function judge(found: number[], least: number, most: number): void {
  expect(found).toHaveLength(1);
  if (!possible) {
    process.stderr.write('not run: a socket of this kernel has no time of its own\n');
    return;
  }
  expect(found[0]).toBeGreaterThanOrEqual(least);
  expect(found[0]).toBeLessThan(most);
}

/** Sends bytes back and forth: the kernel makes its time from the round trips that it measures. */
async function echoed(socket: net.Socket): Promise<void> {
  let heard = 0;
  socket.on('data', (bytes) => {
    heard += bytes.length;
  });
  for (let i = 1; i <= 3; i++) {
    socket.write('x');
    await reached(() => heard === i, 'an echo');
  }
}

/** The times after which the established socket with this port of its own sends again. */
function retransmitMs(port: number): number[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, own, , state]) => state === '01' && own!.endsWith(`:${hex}`))
    .map((fields) => Number(fields[12]) * 10);
}
