/**
 * Runs a mixed load for a long time, and checks the most memory in which the server was resident against -m and the
 * overhead that docs/OPERATING.md states. Values have 1 byte to 1 MB, evenly over the orders of magnitude. Exit status
 * 1: the server took more, or clients got no more answers.
 *
 *      node dist/bench/soak.js [--seconds 600] [--memory 64] [--connections 50]
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    memory: { type: 'string', default: '64' },
    connections: { type: 'string', default: '50' },
    port: { type: 'string', default: '21311' },
  },
});
const port = Number(values.port);
const filler = Buffer.alloc(1_000_002, 'v');
filler.write('\r\n', 1_000_000);

const main = join(__dirname, '..', 'cli', 'main.js');
const server = spawn(process.execPath, [main, '-p', values.port, '-m', values.memory], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
/**
 * docs/OPERATING.md, Memory: the program and its buffers, memory that grows with -m, and output that clients leave
 * unread.
 */
const overheadMost = 60 + 10 + 0.126 * Number(values.memory) + 0.375 * Number(values.connections);
/** Seconds within which at least one client must have an answer. */
const patience = 10;
let residentMax = 0;
/** Answers at the last sample that saw more than the one before, and its time. */
let answered = 0;
let answeredAt = 0;
let requests = 0;
let ending = false;
const started = performance.now();

const sampler = setInterval(() => {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const mebibytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  residentMax = Math.max(residentMax, mebibytes);
  const seconds = (performance.now() - started) / 1000;
  if (requests > answered) [answered, answeredAt] = [requests, seconds];
  if (seconds - answeredAt > patience) end(`nobody was answered for ${patience} s`);
  if (Math.floor(seconds) % 30 === 0) {
    process.stdout.write(
      `${seconds.toFixed(0)} s, ${requests} requests, ${mebibytes.toFixed(1)} MiB\n`,
    );
  }
  if (seconds > Number(values.seconds)) end();
}, 1000);

setTimeout(() => {
  for (let i = 0; i < Number(values.connections); i++) client(i);
}, 500);

/** One connection that sends a request, waits for the answer, and repeats. */
function client(number: number): void {
  const socket = connect(port, '127.0.0.1', () => next());
  let expected = '';
  let tail = '';
  socket.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - 64))).slice(-64);
    const refused = tail.endsWith('\r\n') && tail.includes('SERVER_ERROR');
    if (tail.endsWith(expected) || refused) next();
  });
  socket.on('error', (error) => {
    if (!ending) throw error;
  });
  const next = (): void => {
    if (ending) return;
    requests++;
    tail = '';
    const key = `k${number}-${Math.floor(Math.random() * 1000)}`;
    if (Math.random() < 0.5) {
      expected = 'END\r\n';
      socket.write(`get ${key}\r\n`);
      return;
    }
    const length = Math.floor(10 ** (Math.random() * 6));
    expected = 'STORED\r\n';
    socket.write(`set ${key} 0 0 ${length}\r\n`);
    socket.write(filler.subarray(1_000_000 - length));
  };
}

function end(failure = ''): void {
  ending = true;
  clearInterval(sampler);
  server.kill('SIGTERM');
  const limit = Number(values.memory);
  const overhead = residentMax - limit;
  process.stdout.write(
    `${requests} requests; most resident ${residentMax.toFixed(1)} MiB: -m ${limit} and ` +
      `${overhead.toFixed(1)} MiB, of ${overheadMost.toFixed(1)} that docs/OPERATING.md grants\n`,
  );
  if (failure !== '') process.stdout.write(`failed: ${failure}\n`);
  process.exit(failure !== '' || overhead > overheadMost ? 1 : 0);
}
