/**
 * The cost of an idle connection: opens connections to hotspare and to memcached, sends one request on each, and prints
 * the growth of resident memory for each connection.
 *
 *   node dist/bench/connections.js [--connections 10000]
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { type Server, startHotspare, startMemcached } from './servers.js';
import type { Workload } from './workloads.js';

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' } } });
const most = Number(values.connections);
/** The first connections pay for memory that all share, so they are not counted. */
const first = Math.ceil(most / 10);
/** Connections opened at the same time; fewer than the listen queue is long. */
const atOnce = 200;
/** The time that a collector of garbage, or of buffers, has to do its work. */
const settleMs = 3000;
const workload = { standby: 'none', flags: ['-c', String(most + 100)] } as unknown as Workload;

void main();

async function main(): Promise<void> {
  for (const start of [startHotspare, startMemcached]) {
    const server = await start(workload);
    try {
      const sockets: net.Socket[] = [];
      await grow(server, sockets, first);
      const before = await resident(server);
      await grow(server, sockets, most);
      const after = await resident(server);
      const each = Math.round((after - before) / (most - first));
      const total = (after / 2 ** 20).toFixed(1);
      process.stdout.write(`${server.name}: ${each} bytes each, ${total} MiB with ${most}\n`);
      for (const socket of sockets) socket.destroy();
    } finally {
      server.stop();
    }
  }
}

async function grow(server: Server, sockets: net.Socket[], count: number): Promise<void> {
  while (sockets.length < count) {
    const some = Math.min(atOnce, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => open(server.port)))));
  }
}

/** A connection that has been served. */
function open(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write('get nothing\r\n');
    socket.once('data', () => resolve(socket));
  });
}

/** Bytes of private memory, once it changes no more. */
async function resident(server: Server): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  const status = readFileSync(`/proc/${server.pid}/status`, 'latin1');
  return Number(/RssAnon:\s+(\d+)/.exec(status)![1]) * 1024;
}
