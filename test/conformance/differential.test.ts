/**
 * Random requests to hotspare and to memcached side by side: the answers are the same, but for times and CAS ids.
 * DIFFERENTIAL_RUNS says how many sequences, DIFFERENTIAL_SEED repeats them.
 */
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Client } from '../support/client.js';
import { numberFrom } from '../support/commands.js';
import { givenServer, memcachedMissing, type Server, startProgram } from '../support/server.js';
import { keys, packet, type Request } from './requests.js';

const runs = numberFrom('DIFFERENTIAL_RUNS', 150);
const seed = numberFrom('DIFFERENTIAL_SEED', 1_6_18);
const requestsMost = 40;
/** Servers that say nothing for so long wait for the rest of a data block: both are sent a line more. */
const silenceMs = 100;
const nudgesMost = 2;
const patienceMs = 10_000;
/** memcached forgets what is dead when it meets it. */
const clear = `flush_all\r\nget ${keys.join(' ')}\r\n`;
/** So many ids are given out first that no small number in a request is one. */
const warmUp = 'set warm 0 0 1 noreply\r\nx\r\n'.repeat(2000);
const neverGiven = '9999999999';
/** memcached's threads hold items at times that nobody can tell: see `read-number` in docs/PROTOCOL.md. */
const quietThreads = ['-o', 'no_lru_maintainer,no_lru_crawler'];
const servers: Server[] = [];
/** Every request is followed by one of our own, whose answer is its end. */
let lastEnd = 0;

afterAll(async () => {
  for (const server of servers) await server.stop();
});

/** One server, and what a client knows of it. */
class Peer {
  answer = '';
  private readonly server: Server;
  private readonly ids = new Map<string, string>();
  private client: Client | null = null;
  private sent = '';

  constructor(server: Server) {
    this.server = server;
  }

  async send(request: Request): Promise<void> {
    this.client ??= await Client.connect(this.server.host, this.server.port);
    this.answer = '';
    this.sent = request.replace(/\{cas:([^}]*)\}/g, (_, key) => this.ids.get(key) ?? neverGiven);
    await this.client.send(`${this.sent}mg end O${lastEnd}\r\n`);
  }

  async nudge(): Promise<void> {
    await this.client!.send(`\r\nmg end O${lastEnd}\r\n`);
  }

  /** Looks for what has come; true when that is all. */
  hasAnswered(): boolean {
    this.answer += this.client!.take().toString('latin1');
    return this.client!.closed() || this.answer.endsWith(`EN O${lastEnd}\r\n`);
  }

  /** The whole answer, without what may differ. */
  take(): string {
    if (!this.hasAnswered() || this.client!.closed()) {
      this.answer += this.client!.closed() ? '(closed)' : '(waits)';
      this.close();
    }
    this.learn(this.sent, this.answer);
    return plain(this.answer);
  }

  close(): void {
    this.client?.close();
    this.client = null;
  }

  /** The ids that the answer shows, by key. */
  private learn(sent: string, answer: string): void {
    for (const [, key, id] of answer.matchAll(/^VALUE ([^ ]+) \d+ \d+ (\d+)\r$/gm)) {
      this.ids.set(key!, id!);
    }
    const key = /^m[gsa] +([^ ]+)/.exec(sent)?.[1];
    const id = /^(?:HD|VA \d+)[^\n]* c(\d+)/.exec(answer)?.[1];
    if (key !== undefined && id !== undefined) this.ids.set(key, id);
  }
}

/** Without what no two servers have in common: ids, seconds, ages, classes. */
function plain(answer: string): string {
  return answer
    .replace(/^(VALUE [^ ]+ \d+ \d+) \d+\r$/gm, '$1 ID\r')
    .replace(/^(?:HD|VA \d+|EX|NS|NF|EN) [^\n]*\r$/gm, (line) =>
      line
        .replace(/ c([1-9]\d*)/g, ' cID')
        .replace(/ t(\d+)/g, (_, left) => ` t${rounded(Number(left))}`)
        .replace(/ l\d+/g, ' lN'),
    )
    .replace(/^ME ([^ ]+) exp=(-?\d+) la=\d+ cas=\d+ (.*)cls=\d+ /gm, (_, key, left, rest) => {
      return `ME ${key} exp=${rounded(Number(left))} ${rest}`;
    });
}

/** Seconds, give or take one; what has ended already is a number that means nothing. */
function rounded(seconds: number): string {
  if (seconds > 2 ** 31) return 'ENDED';
  return String(Math.round(seconds / (seconds > 1e6 ? 1e7 : 25)));
}

/** What each answers to a request. Both are always sent the same bytes, however slow one of them is. */
async function ask(peers: readonly Peer[], sent: Request): Promise<string[]> {
  lastEnd++;
  await Promise.all(peers.map((peer) => peer.send(sent)));
  const deadline = performance.now() + patienceMs;
  let nudges = 0;
  let nudgeAt = performance.now() + silenceMs;
  while (!peers.map((peer) => peer.hasAnswered()).every(Boolean)) {
    const now = performance.now();
    if (now > deadline) break;
    if (now > nudgeAt && nudges < nudgesMost && !peers.some((peer) => peer.hasAnswered())) {
      lastEnd++;
      nudges++;
      nudgeAt = now + silenceMs;
      await Promise.all(peers.map((peer) => peer.nudge()));
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return peers.map((peer) => peer.take());
}

const missing = givenServer === undefined ? memcachedMissing() : 'not run: SERVER is given';
const define = missing === null ? test : test.skip;

define(
  `random requests are answered as memcached answers them${missing === null ? '' : ` (${missing})`}`,
  async () => {
    for (const program of ['hotspare', 'memcached'] as const) {
      servers.push(await startProgram(program, quietThreads));
    }
    const first = servers.map((server) => new Peer(server));
    await ask(first, warmUp);
    for (const peer of first) peer.close();
    const sequences = fc.array(packet, { minLength: 1, maxLength: requestsMost, size: 'max' });
    const property = fc.asyncProperty(sequences, async (sequence) => {
      const peers = servers.map((server) => new Peer(server));
      try {
        await ask(peers, clear);
        for (const sent of sequence) {
          const [answer, expected] = await ask(peers, sent);
          expect([sent, answer]).toEqual([sent, expected]);
        }
      } finally {
        for (const peer of peers) peer.close();
      }
    });
    await fc.assert(property, { numRuns: runs, seed });
  },
  numberFrom('DIFFERENTIAL_TIMEOUT_MS', 120_000),
);
