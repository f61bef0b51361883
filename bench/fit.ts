/**
 * Measures how many items fit: keys of 14 bytes with values of one length, set until the first is evicted; hotspare and
 * memcached with the same memory.
 *
 *      node dist/bench/fit.js [--memory 64] [--values 32,500]
 */
import { parseArgs } from 'node:util';
import { Plain } from './plain.js';
import { type Server, startHotspare, startMemcached } from './servers.js';
import { type Workload, workloads } from './workloads.js';

const { values } = parseArgs({
  options: {
    memory: { type: 'string', default: '64' },
    values: { type: 'string', default: '32,500' },
  },
});

main().catch((error: unknown) => {
  process.stderr.write(`fit: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

async function main(): Promise<void> {
  for (const valueBytes of values.values.split(',').map(Number)) {
    const workload = { ...workloads[0]!, valueBytes, flags: ['-m', values.memory] };
    for (const start of [startHotspare, startMemcached]) {
      const server = await start(workload);
      const items = await fill(server, workload);
      server.stop();
      const each = Math.floor(items / Number(values.memory));
      process.stdout.write(`${server.name}, ${valueBytes} bytes: ${items} items, ${each} a MiB\n`);
    }
  }
  process.exit(0);
}

/** Sets more and more keys; returns the most items there were. */
async function fill(server: Server, workload: Workload): Promise<number> {
  const client = await Plain.connect(server.port);
  let most = 0;
  for (let keys = 50_000; ; keys += 50_000) {
    await client.load({ ...workload, keys }, keys - 50_000);
    const stats = await client.stats();
    most = Math.max(most, Number(stats.get('curr_items')));
    if (stats.get('evictions') !== '0') break;
  }
  client.close();
  return most;
}
