/**
 * A round of the drill: waits until the pair is in sync, loads it, breaks it, goes on loading it, and reads everything
 * back.
 */
import { monotonicMs } from '../../src/native/clock.js';
import type { Tally } from './client.js';
import type { DrilledPair, Fault } from './drilled-pair.js';
import { checkFill, statistics } from './fill.js';
import type { Random } from './random.js';
import type { Traffic } from './traffic.js';
import type { Violation } from './verify.js';

/** The result of a round. Times in ms after the fault. */
export interface RoundResult {
  readonly round: number;
  /** When the standby found the primary dead. */
  readonly detectMs: number;
  /** When the standby served. */
  readonly promoteMs: number;
  /** When the first client had an answer from it. */
  readonly answerMs: number;
  /** The longest time between two answers that any client saw. */
  readonly gapMs: number;
  /** Writes that were acknowledged, before and after the fault. */
  readonly acknowledged: number;
  /** Keys that were compared: all of them after the takeover, and all again at the end. */
  readonly checked: number;
  /** CAS ids from before the fault that were used after it. */
  readonly casUsed: number;
  readonly lost: number;
  readonly wrong: number;
  readonly epochBefore: number;
  readonly epochAfter: number;
  readonly evictions: number;
  /** Takeovers without a fault, after the silence of a primary that lived. */
  readonly unplanned: number;
  readonly items: number;
  readonly violations: readonly Violation[];
}

export interface RoundParts {
  readonly port: number;
  readonly pair: DrilledPair;
  readonly traffic: Traffic;
  readonly tally: Tally;
  readonly random: Random;
  readonly fault: Fault;
  readonly filled: number;
  /** How long the standby may take to be in sync. */
  readonly syncMs: number;
}

/** The fault comes at a random moment of this span. */
const loadMsLeast = 100;
const loadMsMost = 400;
/** The load goes on at least this long after the takeover. */
const afterMs = 100;
/** This many violations of a round are kept. */
const violationsKept = 20;

export async function runRound(round: number, parts: RoundParts): Promise<RoundResult> {
  const { pair, traffic, tally, random, port, filled } = parts;
  await pair.inSync(parts.syncMs);
  const before = { ...tally };
  const unplannedBefore = pair.unplanned;
  const evictionsBefore = Number((await statistics(port)).get('evictions'));
  const seen = tally.violations.length;
  traffic.start();
  await pause(random.between(loadMsLeast, loadMsMost) + random.next());
  // On a machine without a free processor the standby may have taken over by itself meanwhile.
  await pair.inSync(parts.syncMs);
  traffic.watch();
  const takeover = await pair.break(parts.fault);
  await traffic.reconnected();
  const gapMs = Math.max(...traffic.clients.map((client) => client.longestGapMs));
  const answeredMs = Math.min(...traffic.clients.map((client) => client.reconnectedMs));
  await pause(takeover.servingMs + afterMs - monotonicMs());
  await pair.inSync(parts.syncMs);
  await traffic.stop();
  await traffic.readBack();
  if (filled > 0) await checkFill(port, filled, random, tally);
  const stats = await statistics(port);
  if (takeover.epochAfter !== takeover.epochBefore + 1) {
    const expected = `epoch ${takeover.epochBefore + 1}`;
    tally.note({ kind: 'wrong', key: '', expected, found: `epoch ${takeover.epochAfter}` });
  }
  const violations = tally.violations.slice(seen);
  const lost = violations.filter(({ kind }) => kind === 'lost' || kind === 'resurrected').length;
  return {
    round,
    detectMs: takeover.deadMs - takeover.faultMs,
    promoteMs: takeover.servingMs - takeover.faultMs,
    answerMs: answeredMs - takeover.faultMs,
    gapMs,
    acknowledged: tally.acknowledged - before.acknowledged,
    checked: tally.checked - before.checked,
    casUsed: tally.casUsed - before.casUsed,
    lost,
    wrong: violations.length - lost,
    epochBefore: takeover.epochBefore,
    epochAfter: takeover.epochAfter,
    evictions: evictionsBefore + Number(stats.get('evictions')),
    unplanned: pair.unplanned - unplannedBefore,
    items: Number(stats.get('curr_items')),
    violations: violations.slice(0, violationsKept),
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
