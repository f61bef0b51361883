/**
 * A primary and its standby, one of which cannot make one call into the system, or into libfabric. Each round breaks
 * their link; clients must get the right answer or be closed, and both nodes must be in sync again soon, or say why
 * not.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { AcknowledgedStore } from './acknowledged-store.js';
import {
  descriptorsOf,
  exhaustive,
  expectClearEnd,
  type Fault,
  type FaultCode,
  Interposer,
  Tally,
} from './faults.js';
import { gone, lives, main, said, stats } from './nodes.js';
import { type Child, startChild } from './process.js';
import { Relay } from './relay.js';
import { slowness, until } from './until.js';

const host = '127.0.0.1';
const times = ['--dead-after', String(1000 * slowness), '--ack-timeout', String(2400 * slowness)];
const roundMs = 15_000 * slowness;
/** The time limit of all rounds together. */
export const roundsMs = (exhaustive ? 1_200_000 : 120_000) * slowness;
/** The n that are tried for a call that is made often; with FAULTS=all every n up to `nMost`. */
const samples = [1, 2, 3, 7, 25];
const nMost = 60;

/** The error codes of each call. The first code is always tried, the others with FAULTS=all. */
export type Calls = Readonly<Record<string, readonly FaultCode[]>>;
export type Side = 'primary' | 'standby';

interface Node {
  readonly child: Child;
  readonly fault: Fault;
}

/** Two nodes with a relay between them, so that a round can break their link. */
export class LinkedNodes {
  readonly store = new AcknowledgedStore();
  primary!: Node;
  standby!: Node;
  port = 0;
  private linkPort = 0;
  private of = 0;
  private readonly flags: readonly string[];
  private readonly interposer = new Interposer();
  private readonly nodes: Node[] = [];
  private relay: Relay | null = null;

  constructor(flags: readonly string[]) {
    const secret = join(this.interposer.folder, 'secret');
    writeFileSync(secret, 'a secret of two nodes', { mode: 0o600 });
    this.flags = ['-l', host, '-v', ...times, '--secret-file', secret, ...flags];
  }

  async end(): Promise<void> {
    this.relay?.end();
    await Promise.all(this.nodes.map(({ child }) => child.end()));
    for (const { fault } of this.nodes) fault.close();
    this.interposer.end();
  }

  async begin(): Promise<void> {
    await this.beginAlone();
    await this.attach();
  }

  async beginAlone(): Promise<void> {
    this.port = await freePort();
    this.linkPort = await freePort();
    const link = ['--link-listen', `${host}:${this.linkPort}`];
    this.primary = await this.start(['-p', String(this.port), '-m', '8', ...link]);
    await said(this.primary.child, /serving on/);
    this.relay = new Relay(this.linkPort);
    this.of = await this.relay.listen();
  }

  private async attach(): Promise<void> {
    this.standby = await this.newStandby();
    await said(this.standby.child, /ready to take over/);
  }

  async newStandby(): Promise<Node> {
    const listen = ['--link-listen', `${host}:${await freePort()}`];
    const port = String(await freePort());
    const args = ['standby', '--of', `${host}:${this.of}`, '-p', port, ...listen];
    return this.start(args);
  }

  /** Writes, breaks the link, writes, and waits for both nodes to be in sync again. Returns the outcome in words. */
  async round(): Promise<string> {
    const { store, port } = this;
    const resyncs = Number((await this.figures()).get('mirror_resyncs'));
    let closed = await store.write(port);
    this.relay!.hold();
    this.relay!.leadTo(this.linkPort);
    closed += await store.write(port);
    let ended = '';
    await until(
      () => `both to be in sync again:\n${this.words()}`,
      async () => {
        if (!this.primary.child.running()) throw new Error(`it ended:\n${this.words()}`);
        if (!this.standby.child.running()) {
          await expectClearEnd(this.standby.child);
          this.standby.fault.disarm();
          ended = ', the standby ended';
          await this.attach();
        }
        const figures = await this.figures();
        return (
          figures.get('mirror_state') === 'in_sync' &&
          Number(figures.get('mirror_resyncs')) > resyncs
        );
      },
      { withinMs: roundMs, everyMs: 20 },
    );
    await store.write(port);
    return `in sync${closed === 0 ? '' : `, closed ${closed}`}${ended}`;
  }

  /** Kills the primary, and checks that its heir holds everything that was acknowledged. */
  async succeed(): Promise<void> {
    this.primary.child.signal('SIGKILL');
    await gone(this.primary.child.pid);
    this.relay!.end();
    const [, port] = await said(this.standby.child, /serving on port (\d+)/);
    await this.store.check(Number(port));
  }

  descriptors(): number[] {
    return [this.primary, this.standby].map(({ child }) => descriptorsOf(child.pid));
  }

  words(): string {
    return [this.primary, this.standby].map(({ child }) => child.output().slice(-1500)).join('—\n');
  }

  /** The fault may hit the test's own connection, so it asks twice. */
  private async figures(): Promise<ReadonlyMap<string, string>> {
    return stats(this.port).catch(() => stats(this.port));
  }

  private async start(args: readonly string[]): Promise<Node> {
    const fault = this.interposer.fault();
    const all = [main, ...args, ...this.flags];
    const child = await startChild(process.execPath, all, { env: fault.env });
    const node = { child, fault };
    this.nodes.push(node);
    return node;
  }
}

/**
 * Tries faults on both sides, each in `pairs` pairs of nodes that share the work, all at the same time; at the end of
 * each pair its standby takes over.
 */
export async function tryBoth(
  flags: readonly string[],
  calls: Calls,
  pairs: number,
  reached: Readonly<Record<Side, readonly string[]>>,
): Promise<void> {
  const tallies = { primary: new Tally(), standby: new Tally() };
  const one = async (side: Side, part: number): Promise<void> => {
    const two = new LinkedNodes(flags);
    try {
      await two.begin();
      await tryAll(two, side, calls, tallies[side], (index) => index % pairs === part);
      await two.succeed();
    } finally {
      await two.end();
    }
  };
  const parts = [...Array(pairs).keys()];
  const results = await Promise.allSettled(
    parts.flatMap((part) => [one('primary', part), one('standby', part)]),
  );
  const wrong = results.filter((result) => result.status === 'rejected');
  for (const side of ['primary', 'standby'] as const) {
    if (exhaustive || wrong.length > 0) process.stderr.write(`${side}\n${tallies[side]}\n`);
  }
  for (const { reason } of wrong) throw reason;
  for (const side of ['primary', 'standby'] as const) {
    for (const call of reached[side]) {
      expect([side, call, tallies[side].reached(call)]).toEqual([side, call, true]);
    }
  }
}

function plansOf(calls: Calls, counts: ReadonlyMap<string, number>) {
  const plans: { call: string; code: FaultCode; n: number }[] = [];
  for (const [call, codes] of Object.entries(calls)) {
    const count = Math.min(counts.get(call) ?? 0, nMost);
    const every = [...Array(count).keys()].map((i) => i + 1);
    const chosen = exhaustive ? every : samples.filter((n) => n <= count);
    for (const code of exhaustive ? codes : codes.slice(0, 1)) {
      for (const n of chosen) plans.push({ call, code, n });
    }
  }
  return plans;
}

/** One round for each fault that one side can meet in a round. */
async function tryAll(
  two: LinkedNodes,
  side: Side,
  calls: Calls,
  tally: Tally,
  isMine: (index: number) => boolean,
): Promise<void> {
  two[side].fault.count();
  await two.round();
  const { counts } = two[side].fault;
  two[side].fault.disarm();
  let baseline = await settled(two);
  const failures: string[] = [];
  for (const { call, code, n } of plansOf(calls, counts).filter((_, index) => isMine(index))) {
    const { fault, child } = two[side];
    fault.arm(call, n, code);
    try {
      const outcome = await two.round();
      fault.disarm();
      await two.store.check(two.port);
      if (fault.hits > 0) tally.add(call, code, n, outcome);
      if (two[side].child !== child) baseline = await settled(two);
      const same = (): boolean => String(two.descriptors()) === String(baseline);
      await until(() => `descriptors: ${two.descriptors()}, not ${baseline}`, same);
    } catch (error) {
      fault.disarm();
      failures.push(`${side}: ${fault}: ${(error as Error).message}\n${two.words()}`);
      if (![two.primary, two.standby].every(({ child }) => lives(child.pid))) break;
      if (failures.length > 3) break;
      baseline = await settled(two);
    }
  }
  expect(failures).toEqual([]);
}

/** Descriptors of both nodes, once their numbers stay the same. */
function settled(two: LinkedNodes): Promise<number[]> {
  let last = '';
  let times = 0;
  return until('descriptors that stay', () => {
    const now = two.descriptors();
    times = String(now) === last ? times + 1 : 0;
    last = String(now);
    return times >= 5 ? now : null;
  });
}
