#!/usr/bin/env node
/**
 * The path of a request without sockets: session, parser, execute, store, in one process. Changes of this path are too
 * small to be seen beside the kernel's work in `npm run bench`. This measurement is steady even on a busy machine, as
 * ticks are short, and the lower quartile of many is shown.
 *
 *      node dist/bench/path.js [--keys 100000] [--rounds 40] [--journal]
 */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Budget } from '../src/base/budget.js';
import { inputBytes, outputBytes } from '../src/base/limits.js';
import { Executor } from '../src/commands/execute.js';
import { Session } from '../src/commands/session.js';
import type { SessionServer } from '../src/commands/session-server.js';
import { defaults } from '../src/flags/settings.js';
import { monotonicMs } from '../src/native/clock.js';
import type { Wire } from '../src/net/wire.js';
import { Output } from '../src/protocol/reply.js';
import { anonymousMemory, mapRegion } from '../src/server/region-mapping.js';
import { Counters } from '../src/stats/counters.js';
import { Journal } from '../src/store/journal.js';
import { geometryOf } from '../src/store/layout.js';
import { alone } from '../src/store/mirror.js';
import { Store } from '../src/store/store.js';
import { keyText, metaSetText, seeded, setText, Tag } from './requests.js';

setFlagsFromString('--max-inlined-bytecode-size-cumulative=3000');

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '40' },
    journal: { type: 'boolean', default: false },
  },
});
const keys = Number(values.keys);
const connections = 50;
const valueBytes = 32;
const ticksPerRound = 60;

const journal = new Journal();
const geometry = geometryOf({ ...defaults, memoryBytes: 256 * 2 ** 20 });
const { region } = mapRegion(geometry, anonymousMemory, journal);
const store = new Store(region, { evict: true, casStep: 2 ** 20 }, 1);
const input = new ArrayBuffer(inputBytes);
const output = new Output(new ArrayBuffer(outputBytes));
const executor = new Executor(store, output, new Counters(), true);
executor.line.bytes = new Uint8Array(input);
executor.line.view = new DataView(input);

/** As much of a wire as a session asks for. */
const wire = {
  input: executor.line.bytes,
  inputView: executor.line.view,
  output,
  again: false,
  budget: new Budget(monotonicMs),
  isFull: () => !output.hasRoom(),
};
const shared = {
  wire: wire as unknown as Wire,
  executor,
  mirror: alone,
  unlocking: null,
} as unknown as SessionServer;
const sessions = Array.from({ length: connections }, (_, i) => new Session(i, shared));
const random = seeded(7);
const draw = (): string => keyText(Math.floor(random() * keys));
const many = (count: number, text: () => string): string =>
  Array.from({ length: count }, text).join('');
const get = (): string => `get ${draw()}\r\n`;
const set = (): string => setText(draw(), Tag.WRITTEN, valueBytes, false);
const metaGet = (): string => `mg ${draw()} v\r\n`;
const metaSet = (): string => metaSetText(draw(), Tag.WRITTEN, valueBytes);

/** The bytes that each connection sends in a tick, and the number of requests (or keys) in them. */
const shapes: Readonly<Record<string, readonly [request: () => string, count: number]>> = {
  get: [get, 1],
  set: [set, 1],
  'get x 32': [(): string => many(32, get), 32],
  'set x 32': [(): string => many(32, set), 32],
  'mg x 32': [(): string => many(32, metaGet), 32],
  'ms x 32': [(): string => many(32, metaSet), 32],
  multiget: [(): string => `get${many(100, () => ` ${draw()}`)}\r\n`, 100],
};

for (let key = 0; key < keys; key++) {
  tick([Buffer.from(setText(keyText(key), Tag.LOADED, valueBytes, false))]);
}
journal.active = values.journal;
for (const [name, times] of measure()) {
  const quartile = times.sort((a, b) => a - b)[times.length >> 2]!;
  process.stdout.write(`${name.padEnd(10)} ${quartile.toFixed(0).padStart(5)} ns\n`);
}

/** Nanoseconds a request by shape; the first quarter of the rounds warms up. The shapes take turns. */
function measure(): Map<string, number[]> {
  const rounds = Number(values.rounds);
  const ticks = Object.entries(shapes).map(([name, [request, count]]) => {
    const inputs = Array.from({ length: ticksPerRound }, () =>
      Array.from({ length: connections }, () => Buffer.from(request())),
    );
    return { name, inputs, requests: count * connections };
  });
  const times = new Map(ticks.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, inputs, requests } of ticks) {
      for (const parts of inputs) {
        const nanoseconds = tick(parts) / requests;
        if (round * 4 >= rounds) times.get(name)!.push(nanoseconds);
      }
    }
  }
  return times;
}

/** One tick over the bytes that each connection has sent. Returns the nanoseconds that its execution took. */
function tick(parts: readonly Buffer[]): number {
  let end = 0;
  for (const part of parts) {
    wire.input.set(part, end);
    end += part.length;
  }
  output.at = 0;
  const nowMs = monotonicMs();
  const start = process.hrtime.bigint();
  executor.lookahead.begin(end);
  // These ticks are long, as each connection has a tick's time for itself.
  wire.budget.begin(1, nowMs);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    const { length } = parts[i]!;
    wire.budget.serveNext();
    for (let done = 0; done < length; ) done += sessions[i]!.data(at + done, length - done, false);
    at += length;
  }
  const nanoseconds = Number(process.hrtime.bigint() - start);
  if (journal.active) journal.clear();
  return nanoseconds;
}
