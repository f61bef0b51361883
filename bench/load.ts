/**
 * The load generator: a process of its own, controlled by its parent. It stands on the same transport as the server, in
 * the client's role, and does less per request than any server: it copies a batch that was built before, and counts the
 * bytes of the replies, whose lengths are known. Now and then it reads a whole reply and compares it with the right
 * one, so that a server that answers fast and wrong does not win.
 *
 * Latency is from the tick that sent a batch to the tick that saw the last byte of its replies; every request of a
 * batch counts with the batch's latency.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { Histogram } from '../src/base/histogram.js';
import { failed } from '../src/native/addon.js';
import { type Endpoint, Wire } from '../src/net/wire.js';
import { latin1, Requests, seeded } from './requests.js';
import type { Workload } from './workloads.js';

export interface Order {
  readonly workload: Workload;
  readonly host: string;
  readonly port: number;
  /** The server's process, whose processor time is counted. */
  readonly pid: number;
  /** Processes beside the server that are part of the measurement: its standby, the idle peer. */
  readonly companions: readonly number[];
  readonly echoes: boolean;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface Measured {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  /** Processor time of the server per request, in microseconds. */
  readonly processorUs: number;
  /** Processor time of this process, as a share of the time measured. */
  readonly busy: number;
  /** Processor time of everything else on the machine, as a share of all cores' time. */
  readonly disturbance: number;
  /** Replies that were read and compared. */
  readonly checked: number;
  /** Numbers of keys that were certainly written. */
  readonly written: readonly number[];
  /** The failure of the run, or null. */
  readonly failure: string | null;
}

/** One in this many of a connection's batches is compared with the right replies. */
const checkEvery = 127;
/** A reply longer than this is not compared while it runs (the transport keeps no more of it unconsumed). */
const checkBytesMost = 48 * 1024;
/** Replies longer than this are thrown away by the transport, unread. */
const skipBytesLeast = 64 * 1024;
/** A measurement without any reply is prolonged by up to this much. */
const patienceSeconds = 10;
/** Requests longer than this are sent from where they stand. */
const referBytesLeast = 64 * 1024;

const wire = new Wire({ connectionsMax: 4096 });
const histogram = new Histogram();
/** The pool of the current run; `run` sets it. */
let requests: Requests;
let running = false;
let measuring = false;
let done = 0;
let checked = 0;
let failure: string | null = null;

class Client implements Endpoint {
  private readonly connection: number;
  private batch: number;
  private left = 0;
  private sentMs = 0;
  private untilCheck: number;
  private readonly firstBatch: number;
  /** Batches completed. */
  completed = 0;

  constructor(connection: number, batch: number) {
    this.connection = connection;
    this.batch = batch;
    this.firstBatch = batch;
    this.untilCheck = 1 + (batch % checkEvery);
  }

  connected(errno: number): void {
    if (errno !== 0) {
      fail(`cannot connect: errno ${errno}`);
      return;
    }
    const from = requests.starts[this.batch]!;
    const length = requests.starts[this.batch + 1]! - from;
    wire.transport.send(this.connection, requests.bytes, from, length);
    this.expect();
  }

  data(offset: number, length: number, filled: boolean): number {
    if (filled) this.left = 0;
    if (this.untilCheck === 0 && length < this.left) return 0;
    if (length > this.left) {
      fail(`more than the reply: ${latin1(wire.input, offset, offset + Math.min(length, 200))}`);
      return length;
    }
    if (this.untilCheck === 0) this.check(offset, length);
    this.left -= length;
    if (this.left === 0) {
      this.finish();
    } else if (this.left >= skipBytesLeast) {
      wire.transport.skip(this.connection, this.left);
    }
    return length;
  }

  closed(errno: number): void {
    if (running) fail(`the server closed a connection: errno ${errno}`);
  }

  /** Keys written by the batches this connection has completed. */
  written(): number[] {
    const count = Math.min(this.completed, requests.batches);
    return Array.from(
      { length: count },
      (_, i) => (this.firstBatch + i) % requests.batches,
    ).flatMap((batch) => requests.keysWritten(batch));
  }

  private finish(): void {
    const { depth } = requests.workload;
    this.completed++;
    if (measuring) {
      done += depth;
      histogram.add((wire.nowMs - this.sentMs) * 1000, depth);
    }
    this.untilCheck--;
    this.batch++;
    if (this.batch === requests.batches) this.batch = 0;
    if (running) this.send();
  }

  private send(): void {
    const from = requests.starts[this.batch]!;
    const length = requests.starts[this.batch + 1]! - from;
    if (length >= referBytesLeast) wire.output.onReference(segmentOf(requests), from, length, 0);
    else wire.output.copy(requests.bytes, requests.view, from, length);
    this.expect();
  }

  private expect(): void {
    this.sentMs = wire.nowMs;
    this.left = requests.replyBytes[this.batch]!;
    if (this.untilCheck < 0 || this.left > checkBytesMost) this.untilCheck = checkEvery;
  }

  private check(offset: number, length: number): void {
    const text = latin1(wire.input, offset, offset + length);
    checked++;
    if (!requests.isRight(this.batch, text)) fail(`a wrong reply: ${text.slice(0, 400)}`);
  }
}

const pools = new Map<string, Requests>();

process.on('message', (order: Order) => {
  run(order).then(
    (measured) => process.send!(measured),
    (error: unknown) => {
      throw error;
    },
  );
});

async function run(order: Order): Promise<Measured> {
  const { workload, host, port, echoes } = order;
  requests = poolOf(workload, echoes);
  done = 0;
  checked = 0;
  failure = null;
  histogram.clear();
  running = true;
  const clients: Client[] = [];
  const connections: number[] = [];
  for (let i = 0; i < workload.connections; i++) {
    const first = Math.floor((i * requests.batches) / workload.connections);
    const failedToConnect = wire.connect(host, port, 0, (connection) => {
      const client = new Client(connection, first);
      clients.push(client);
      connections.push(connection);
      return client;
    });
    if (failed(failedToConnect)) throw new Error(`cannot connect: ${failedToConnect.error}`);
  }
  await pause(order.warmupSeconds);
  const processor = process.cpuUsage();
  const serverProcessor = processorUsOf(order.pid);
  const ours = [order.pid, process.pid, ...order.companions];
  const othersBefore = busyUs() - sum(ours.map(processorUsOf));
  const start = process.hrtime.bigint();
  measuring = true;
  await pause(order.seconds);
  // A busy machine can keep a server from the processor for that long; a server that hangs is still found.
  for (let more = 0; done === 0 && more < patienceSeconds; more += 0.1) await pause(0.1);
  measuring = false;
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(processor);
  const serverUsed = processorUsOf(order.pid) - serverProcessor;
  const othersUs = busyUs() - sum(ours.map(processorUsOf)) - othersBefore;
  running = false;
  await pause(0.1);
  for (const connection of connections) wire.close(connection, false);
  return {
    requests: done,
    seconds,
    p50Us: histogram.quantile(0.5),
    p99Us: histogram.quantile(0.99),
    p999Us: histogram.quantile(0.999),
    processorUs: serverUsed / done,
    busy: (used.user + used.system) / 1e6 / seconds,
    disturbance: othersUs / 1e6 / seconds / cpus().length,
    checked,
    written: [...new Set(clients.flatMap((client) => client.written()))],
    failure,
  };
}

/** Processor time of all threads of a process: the first field of each thread's schedstat, in nanoseconds. */
function processorUsOf(pid: number): number {
  const folder = `/proc/${pid}/task`;
  const nanoseconds = readdirSync(folder).map((thread) =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return sum(nanoseconds) / 1000;
}

/** Time that all cores were not idle: proc(5)'s /proc/stat without idle and iowait, in hundredths of a second. */
function busyUs(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/ +/).map(Number);
  return sum(fields.filter((_, i) => i >= 1 && i <= 7 && i !== 4 && i !== 5)) * 10_000;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** One pool per workload, the same for both servers. */
function poolOf(workload: Workload, echoes: boolean): Requests {
  const name = `${workload.name} ${echoes}`;
  let pool = pools.get(name);
  if (pool === undefined) {
    pool = new Requests(workload, echoes, seeded(20_240_229));
    pools.set(name, pool);
    wire.useSegments([...pools.values()].map(({ buffer }) => buffer));
  }
  return pool;
}

function segmentOf(pool: Requests): number {
  return [...pools.values()].indexOf(pool);
}

function fail(reason: string): void {
  failure ??= reason;
  running = false;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
