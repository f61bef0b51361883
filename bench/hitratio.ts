/**
 * Measures how many reads find their item: hotspare and memcached side by side, with the same memory and the same
 * requests in the same order. The load is read-through: get, and set after a miss. Only requests after a warm-up count.
 *
 *      node dist/bench/hitratio.js [--only zipf,scan,sizes] [--memory 64] [--requests 4000000] [--seed 1]
 *
 *      zipf    keys drawn by Zipf's law with exponent 0.99 from a million, values of 500 bytes
 *      scan    the same, with runs over a million other keys in between: a quarter of all reads
 *      sizes   the same as zipf with values of 100 bytes; from the middle on other keys with values of 500
 */
import net from 'node:net';
import { parseArgs } from 'node:util';
import { seeded } from './requests.js';
import { type Server, startHotspare, startMemcached } from './servers.js';
import { type Workload, workloads } from './workloads.js';

const keyCount = 1_000_000;
const exponent = 0.99;
const keysPerGet = 50;
/** Reads of a scan, one behind another, and the share of reads that belong to scans. */
const scanReads = 2_000;
const scanShare = 0.25;

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'zipf,scan,sizes' },
    memory: { type: 'string', default: '64' },
    requests: { type: 'string', default: '4000000' },
    seed: { type: 'string', default: '1' },
    hotspare: { type: 'boolean', default: false },
  },
});

/** The reads of a scenario: the number of a key, and the bytes of its value. */
interface Reads {
  next(): number;
  readonly valueBytes: number;
}

const cumulative = cumulativeZipf();
const filler = 'v'.repeat(1000);

main().catch((error: unknown) => {
  process.stderr.write(`hitratio: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

async function main(): Promise<void> {
  const requests = Number(values.requests);
  const memory = ['-m', values.memory];
  for (const name of values.only.split(',')) {
    const workload: Workload = { ...workloads[0]!, flags: memory };
    const servers = [await startHotspare(workload)];
    if (!values.hotspare) servers.push(await startMemcached(workload));
    try {
      // Both are measured at the same time, so that effects of time hit both.
      const ratios = await Promise.all(
        servers.map((server) => measure(server, readsOf(name, Number(values.seed)), requests)),
      );
      const shown = servers.map(
        ({ name: who }, i) => `${who} ${ratios[i]!.map((one) => one.toFixed(4)).join(' ')}`,
      );
      process.stdout.write(`${name.padEnd(6)} ${shown.join('   ')}\n`);
    } finally {
      for (const server of servers) server.stop();
    }
  }
  process.exit(0);
}

/** Hit ratios of the second, third and fourth quarter of the requests. */
async function measure(server: Server, reads: Reads, requests: number): Promise<number[]> {
  const client = await Client.connect(server.port);
  const ratios: number[] = [];
  const quarter = Math.floor(requests / 4 / keysPerGet);
  for (let part = 0; part < 4; part++) {
    let hits = 0;
    for (let batch = 0; batch < quarter; batch++) {
      const keys: string[] = [];
      for (let i = 0; i < keysPerGet; i++)
        keys.push(`key:${String(reads.next()).padStart(8, '0')}`);
      hits += await client.readThrough(keys, reads.valueBytes);
    }
    if (part > 0) ratios.push(hits / (quarter * keysPerGet));
  }
  client.close();
  return ratios;
}

function readsOf(name: string, seed: number): Reads {
  const random = seeded(seed);
  const total = Number(values.requests);
  let count = 0;
  let scanned = 0;
  let scanLeft = 0;
  const reads = {
    valueBytes: name === 'sizes' ? 100 : 500,
    next(): number {
      count++;
      if (name === 'sizes' && count > total / 2) {
        reads.valueBytes = 500;
        return zipf(random()) + 2 * keyCount;
      }
      if (scanLeft === 0 && name === 'scan') {
        const begins = scanShare / (1 - scanShare) / scanReads;
        if (random() < begins) scanLeft = scanReads;
      }
      if (scanLeft === 0) return zipf(random());
      scanLeft--;
      scanned = (scanned + 1) % keyCount;
      return keyCount + scanned;
    },
  };
  return reads;
}

/** Rank of a key: the first whose cumulative share is above the number drawn. */
function zipf(drawn: number): number {
  let low = 0;
  let high = keyCount - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle]! > drawn) high = middle;
    else low = middle + 1;
  }
  return low;
}

function cumulativeZipf(): Float64Array {
  const shares = new Float64Array(keyCount);
  let sum = 0;
  for (let rank = 0; rank < keyCount; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    shares[rank] = sum;
  }
  return shares.map((share) => share / sum);
}

/** Asks for many keys with one line, and sets those that are missing. */
class Client {
  private readonly socket: net.Socket;
  private parts: string[] = [];
  private waiting: ((answer: string) => void) | null = null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (part) => {
      const text = part.toString('latin1');
      this.parts.push(text);
      const tail = text.length >= 5 ? text : this.parts.slice(-5).join('');
      if (!tail.endsWith('END\r\n')) return;
      const answer = this.parts.join('');
      this.parts = [];
      this.waiting?.(answer);
    });
  }

  static connect(port: number): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(new Client(socket)));
      socket.once('error', reject);
    });
  }

  async readThrough(keys: readonly string[], valueBytes: number): Promise<number> {
    const answer = await new Promise<string>((resolve) => {
      this.waiting = resolve;
      this.socket.write(`get ${keys.join(' ')}\r\n`, 'latin1');
    });
    let hits = 0;
    let at = 0;
    const sets: string[] = [];
    for (const key of keys) {
      const head = `VALUE ${key} 0 `;
      if (answer.startsWith(head, at)) {
        hits++;
        const lineEnd = answer.indexOf('\r\n', at);
        at = lineEnd + 2 + Number(answer.slice(at + head.length, lineEnd)) + 2;
      } else {
        sets.push(`set ${key} 0 0 ${valueBytes} noreply\r\n${filler.slice(0, valueBytes)}\r\n`);
      }
    }
    if (answer.length - at !== 5) throw new Error(`not an answer: ${answer.slice(at, at + 60)}`);
    if (sets.length > 0) this.socket.write(sets.join(''), 'latin1');
    return hits;
  }

  close(): void {
    this.socket.destroy();
  }
}
