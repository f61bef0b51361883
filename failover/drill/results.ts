/** The results of all rounds: medians, the verdict, and their text. Pure. */
import type { RoundResult } from './round.js';

export interface DrillSettings {
  readonly seed: number;
  readonly rounds: number;
  readonly rate: number;
  readonly connections: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly memory: number;
  readonly fill: number;
  /** Standbys of the primary. */
  readonly standbys: number;
  readonly fault: string;
  readonly ack: string;
  readonly deadAfter: number;
  /** The link's flags, as the nodes take them. */
  readonly link: readonly string[];
}

export interface Results {
  readonly settings: DrillSettings;
  readonly rounds: readonly RoundResult[];
  readonly median: Times;
  readonly max: Times;
  readonly acknowledged: number;
  readonly checked: number;
  readonly casUsed: number;
  readonly lost: number;
  readonly wrong: number;
  readonly evictions: number;
  readonly unplanned: number;
  readonly passed: boolean;
}

export interface Times {
  readonly detectMs: number;
  readonly promoteMs: number;
  readonly answerMs: number;
  readonly gapMs: number;
}

type Count = (typeof counts)[number];
const counts = [
  'acknowledged',
  'checked',
  'casUsed',
  'lost',
  'wrong',
  'evictions',
  'unplanned',
] as const;

export function collect(settings: DrillSettings, rounds: readonly RoundResult[]): Results {
  const sum = (field: Count): number => rounds.reduce((total, round) => total + round[field], 0);
  const lost = sum('lost');
  const wrong = sum('wrong');
  const evictions = sum('evictions');
  return {
    settings,
    rounds,
    median: times(rounds, median),
    max: times(rounds, (values) => Math.max(...values)),
    acknowledged: sum('acknowledged'),
    checked: sum('checked'),
    casUsed: sum('casUsed'),
    lost,
    wrong,
    evictions,
    unplanned: sum('unplanned'),
    passed: rounds.length > 0 && lost === 0 && wrong === 0 && evictions === 0,
  };
}

const tooBusy = 'the primary was silent for --dead-after, as on a machine without a free processor';
const widths = [6, 9, 9, 9, 9, 9, 9, 6, 6, 10];

export function heading(settings: DrillSettings): string {
  const { seed, rounds, rate, connections, valueBytes, memory, fill, fault, ack, standbys } =
    settings;
  const pace = rate === 0 ? 'as many writes as it takes' : `${rate} writes/s`;
  const several = standbys === 1 ? '' : `, ${standbys} standbys`;
  const filled = fill === 0 ? '' : `, ${fill} MiB of items`;
  const what = fault === 'kill' ? 'kill -9 of the primary' : 'SIGSTOP of the primary';
  const load = `${connections} connections, ${pace} of ${valueBytes} bytes`;
  const cells = [
    'round',
    'detect',
    'promote',
    'answer',
    'gap',
    'acked',
    'checked',
    'lost',
    'wrong',
  ];
  return [
    `${what}, ${rounds} rounds, --seed ${seed}`,
    `${load}, ${memory} MiB memory${filled}, --ack ${ack}${several}; times in ms after the fault`,
    '',
    row([...cells, 'epochs']),
  ].join('\n');
}

export function line(round: RoundResult): string {
  const { acknowledged, checked, lost, wrong, epochBefore, epochAfter } = round;
  const found = [acknowledged, checked, lost, wrong].map(String);
  return row([String(round.round), ...cells(round), ...found, `${epochBefore} → ${epochAfter}`]);
}

export function footing(results: Results): string {
  const { acknowledged, checked, casUsed, lost, wrong, evictions, unplanned, passed } = results;
  const what = `${acknowledged} writes acknowledged, ${checked} keys read back, ${casUsed} old CAS ids used`;
  const shown = results.rounds.flatMap(({ round, violations }) =>
    violations.map(
      ({ kind, key, expected, found }) =>
        `  round ${round}: ${kind}: ${key}: expected ${expected}; found ${found}`,
    ),
  );
  let verdict = `passed: ${what}; none lost, none wrong`;
  if (evictions > 0) {
    verdict = `proves nothing: ${evictions} items were evicted; give it more --memory (${what})`;
  } else if (!passed) {
    verdict = `FAILED: ${lost} lost, ${wrong} wrong (${what})`;
  }
  const { median, max } = results;
  if (unplanned > 0) shown.push(`${unplanned} takeovers that nobody had caused: ${tooBusy}`);
  return [
    row(['median', ...cells(median)]),
    row(['max', ...cells(max)]),
    '',
    ...shown,
    verdict,
  ].join('\n');
}

function cells(times: Times): string[] {
  const { detectMs, promoteMs, answerMs, gapMs } = times;
  return [detectMs, promoteMs, answerMs, gapMs].map((ms) => ms.toFixed(1));
}

function row(texts: readonly string[]): string {
  return texts
    .map((text, i) => text.padStart(widths[i]!))
    .join('')
    .trimEnd();
}

function times(
  rounds: readonly RoundResult[],
  choose: (values: readonly number[]) => number,
): Times {
  const of = (field: keyof Times) => choose(rounds.map((round) => round[field]));
  return {
    detectMs: of('detectMs'),
    promoteMs: of('promoteMs'),
    answerMs: of('answerMs'),
    gapMs: of('gapMs'),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
