/**
 * A scenario: its nodes, the faults that they meet, and when. It is made from a seed, and can be cut shorter: a failing
 * scenario is tried again with less in it, for as long as it fails.
 */
import { Random } from '../../failover/drill/random.js';

export type Fault =
  /**
   * The process is killed; bytes it has sent have left. It is started again with its own command line after `downMs`.
   */
  | { readonly kind: 'kill'; readonly node: string; readonly atMs: number; readonly downMs: number }
  /** The machine is switched off: bytes that were not on the wire are lost, and its peers hear nothing. */
  | { readonly kind: 'off'; readonly node: string; readonly atMs: number; readonly downMs: number }
  /** The process stands still. */
  | { readonly kind: 'pause'; readonly node: string; readonly atMs: number; readonly forMs: number }
  /** Nothing passes between two machines; `oneWay`: only from the first to the second. */
  | {
      readonly kind: 'cut';
      readonly from: string;
      readonly to: string;
      readonly oneWay: boolean;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** Every connection between two machines breaks. */
  | { readonly kind: 'reset'; readonly from: string; readonly to: string; readonly atMs: number }
  /** Another program holds the clients' address of a node. */
  | { readonly kind: 'taken'; readonly node: string; readonly atMs: number; readonly forMs: number }
  /** A firewall refuses connections to a node from other machines. */
  | {
      readonly kind: 'reject';
      readonly node: string;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** The port forward by which a node reaches the first one ends, and is started again after `forMs`. */
  | {
      readonly kind: 'unforwarded';
      readonly node: string;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** Segments from one machine to another are late. */
  | {
      readonly kind: 'slow';
      readonly from: string;
      readonly to: string;
      readonly atMs: number;
      readonly forMs: number;
      readonly delayMs: number;
    }
  /** A call of the process fails, once, after `after` calls of its kind that do not. */
  | {
      readonly kind: 'fails';
      readonly node: string;
      readonly atMs: number;
      readonly call: Call;
      readonly after: number;
    }
  /** Timers of the process come late; bytes from the network do not. */
  | {
      readonly kind: 'late';
      readonly node: string;
      readonly atMs: number;
      readonly forMs: number;
    }
  /** Others keep the processor from the process for three quarters of the time, so that it is slow. */
  | { readonly kind: 'busy'; readonly node: string; readonly atMs: number; readonly forMs: number }
  /** The supervisor stands still. */
  | { readonly kind: 'deaf'; readonly atMs: number; readonly forMs: number }
  /** The process stands still in the midst of an event: after `looks` more readings of its clock. */
  | {
      readonly kind: 'stall';
      readonly node: string;
      readonly atMs: number;
      readonly forMs: number;
      readonly looks: number;
    };

/** Calls into the system that may fail. */
export const calls = ['listen', 'connect', 'accept', 'send', 'map', 'wipe'] as const;
export type Call = (typeof calls)[number];

export interface Scenario {
  readonly seed: number;
  /** Names of the nodes: the first is started as a primary, the others as its standbys. */
  readonly nodes: readonly string[];
  /** All nodes are on one machine, so that a refused connection proves a death. */
  readonly oneMachine: boolean;
  /** A supervisor knows all nodes, and ends one before another takes its place. */
  readonly supervised: boolean;
  /** Nodes that keep their region in a file. */
  readonly files: readonly string[];
  /** The rate of each node's clock, against true time. */
  readonly clockRates: readonly number[];
  readonly deadAfterMs: number;
  readonly ackTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Longest delay of a segment on its way. */
  readonly delayMs: number;
  /** Percentage of segments that are lost, and sent again. */
  readonly lostPercent: number;
  /** How long a standby takes to reserve or wipe the memory for a copy. */
  readonly memoryMs: number;
  /** Nodes without a `--link-listen`: nobody can attach to them. */
  readonly linkless: readonly string[];
  /** Nodes that reach the first one through a port forward on their own machine; no seed has one. */
  readonly forwarded?: readonly string[];
  /** Clients of each node. */
  readonly writers: number;
  readonly readers: number;
  /** Longest pause of a writer between two requests. Where it is long, links carry heartbeats alone for a while. */
  readonly writerThinkMs: number;
  /** Clients often connect anew, to any node. */
  readonly reconnects?: boolean;
  /** How long a client waits for an answer before it tries another node. */
  readonly patienceMs: number;
  readonly faults: readonly Fault[];
  /** When the faults stop; then everything is mended, and must come to rest. */
  readonly faultsEndMs: number;
}

/** `--dead-after` and `--ack-timeout`, in ms. */
type Times = readonly [deadAfterMs: number, ackTimeoutMs: number];

const names = ['a', 'b', 'c', 'd'] as const;

/** The share of faults that come in flocks. */
const flockShare = 0.2;
/** Clocks run too fast or too slowly by up to this share. */
const clockError = 0.01;

export function scenarioOf(seed: number): Scenario {
  const random = new Random(seed);
  const dice = random.next();
  const count = dice < 0.75 ? 2 : dice < 0.93 ? 3 : 4;
  const nodes = names.slice(0, count);
  const oneMachine = random.next() < 0.35;
  // A generator of its own leaves the other scenarios of earlier versions as they were.
  const crowd = new Random(seed ^ 0xc0de);
  const supervised = oneMachine && (count === 2 ? random.next() < 0.4 : crowd.next() < 0.7);
  const times: Times = oneMachine ? [100, 1000] : [500, 2000];
  const faultsEndMs = random.between(4000, 14_000);
  const faults: Fault[] = [];
  let atMs = random.between(800, 2500);
  while (atMs < faultsEndMs) {
    const isFlock = random.next() < flockShare;
    if (isFlock) faults.push(...flockOf(random, nodes, oneMachine, times, atMs));
    else faults.push(faultOf(random, nodes, oneMachine, atMs));
    // Faults come in flocks, as a second fault that meets the first one half done finds most.
    atMs += random.next() < 0.5 ? random.between(1, 700) : random.between(700, 4000);
  }
  return {
    seed,
    nodes,
    oneMachine,
    supervised,
    files: supervised ? [] : nodes.filter(() => random.next() < 0.25),
    clockRates: nodes.map(() => 1 + (random.next() * 2 - 1) * clockError),
    deadAfterMs: times[0],
    ackTimeoutMs: times[1],
    heartbeatMs: 20,
    delayMs: random.next() < 0.7 ? 1 : random.between(2, 20),
    lostPercent: oneMachine || random.next() < 0.85 ? 0 : random.between(1, 5),
    memoryMs: memoryMsOf(seed),
    linkless: !supervised && count === 2 && random.next() < 0.06 ? ['b'] : [],
    writers: random.between(1, 2),
    readers: random.between(1, 2),
    writerThinkMs: random.next() < 0.6 ? 40 : random.between(500, 4000),
    reconnects: new Random(seed ^ 0x9e3779).next() < 0.5,
    patienceMs: random.next() < 0.6 ? 1500 : random.between(2000, 6000),
    // The supervisor here ends a process between two of its events; a real one may do so in the midst of one.
    faults: [
      ...(supervised ? faults.filter(({ kind }) => kind !== 'stall') : faults),
      ...busyOf(seed, nodes, faultsEndMs),
      ...(supervised ? deafOf(seed, faults) : []),
    ],
    faultsEndMs,
  };
}

/** A scenario in which each of two nodes leaves and comes back, with a file to wipe, and one call of a node fails. */
export function failingOnce(node: string, call: Call, after: number): Scenario {
  return {
    seed: 1,
    nodes: ['a', 'b'],
    oneMachine: false,
    supervised: false,
    files: ['a', 'b'],
    clockRates: [1, 1],
    deadAfterMs: 500,
    ackTimeoutMs: 2000,
    heartbeatMs: 20,
    delayMs: 1,
    lostPercent: 0,
    memoryMs: 50,
    linkless: [],
    writers: 1,
    readers: 1,
    writerThinkMs: 40,
    patienceMs: 1500,
    faults: [
      { kind: 'fails', node, call, after, atMs: 0 },
      { kind: 'reset', from: 'a', to: 'b', atMs: 1500 },
      { kind: 'pause', node: 'a', atMs: 2500, forMs: 1500 },
      { kind: 'kill', node: 'b', atMs: 6000, downMs: 1000 },
    ],
    faultsEndMs: 9000,
  };
}

/** Uses a random generator of its own, as below: a node that is slow, for as long as other faults last. */
function busyOf(seed: number, nodes: readonly string[], faultsEndMs: number): Fault[] {
  const random = new Random(seed ^ 0xb5);
  if (random.next() < 0.8) return [];
  const node = nodes[random.between(0, nodes.length - 1)]!;
  const atMs = random.between(500, faultsEndMs - 500);
  return [{ kind: 'busy', node, atMs, forMs: random.between(200, faultsEndMs - atMs) }];
}

/** Uses a random generator of its own, as below: the supervisor stands still while a node dies, or seems to. */
function deafOf(seed: number, faults: readonly Fault[]): Fault[] {
  const random = new Random(seed ^ 0xdeaf);
  return faults.flatMap(({ kind, atMs }): Fault[] => {
    if ((kind !== 'kill' && kind !== 'pause') || random.next() < 0.6) return [];
    const forMs = random.between(1, [80, 700, 2000][random.between(0, 2)]!);
    return [{ kind: 'deaf', atMs: atMs + random.between(0, 150), forMs }];
  });
}

/** Uses a random generator of its own, so that no other part of a scenario depends on it. */
function memoryMsOf(seed: number): number {
  const random = new Random(seed ^ 0x3e3);
  return random.next() < 0.8 ? 0 : random.between(100, 3000);
}

/**
 * Faults that meet each other: a node is silent for about as long as it takes to find it dead, while another stands
 * still in the midst of its reaction; a standby sleeps until it is given up, and its primary dies meanwhile; a link
 * breaks with writes on their way, and both ends go on; or one end hears the other and is not heard.
 */
function flockOf(
  random: Random,
  nodes: readonly string[],
  oneMachine: boolean,
  [deadAfterMs, ackTimeoutMs]: Times,
  atMs: number,
): Fault[] {
  const [from, to] = random.next() < 0.5 ? [nodes[0]!, nodes[1]!] : [nodes[1]!, nodes[0]!];
  const dice = random.next();
  if (dice < 0.4 || (oneMachine && dice >= 0.6)) {
    const forMs = deadAfterMs * (1 + random.next());
    const stallAtMs = Math.floor(atMs + deadAfterMs * (0.9 + 0.2 * random.next()));
    const looks = random.between(1, 25);
    return [
      { kind: 'pause', node: from, atMs, forMs },
      { kind: 'stall', node: to, atMs: stallAtMs, forMs: random.between(100, 5000), looks },
    ];
  }
  if (dice < 0.6) {
    const goneMs = atMs + Math.floor(ackTimeoutMs * (0.2 + 2 * random.next()));
    const cutForMs = goneMs - atMs + 50;
    return [
      { kind: 'pause', node: to, atMs, forMs: goneMs - atMs + random.between(-500, 2000) },
      { kind: 'cut', from, to, oneWay: false, atMs: atMs + 5, forMs: cutForMs },
      { kind: 'kill', node: from, atMs: goneMs, downMs: random.between(10, 3000) },
    ];
  }
  const forMs = random.between(deadAfterMs, 2 * ackTimeoutMs);
  if (dice < 0.85) {
    const delayMs = random.between(20, 400);
    return [
      { kind: 'slow', from, to, atMs, forMs: delayMs, delayMs },
      { kind: 'reset', from, to, atMs: atMs + delayMs },
      { kind: 'cut', from, to, oneWay: false, atMs: atMs + delayMs, forMs },
    ];
  }
  return [{ kind: 'cut', from, to, oneWay: true, atMs, forMs }];
}

function faultOf(
  random: Random,
  nodes: readonly string[],
  oneMachine: boolean,
  atMs: number,
): Fault {
  const pick = (): string => nodes[random.between(0, nodes.length - 1)]!;
  // Spans are long and short: too short for a death, about as long as it takes, about as long as the lease, and longer.
  const span = (): number => random.between(1, [80, 300, 1200, 5000][random.between(0, 3)]!);
  const node = pick();
  const to = nodes[(nodes.indexOf(node) + random.between(1, nodes.length - 1)) % nodes.length]!;
  const dice = random.next();
  if (dice < 0.25) return { kind: 'kill', node, atMs, downMs: span() };
  if (dice < 0.42) return { kind: 'pause', node, atMs, forMs: span() };
  if (dice < 0.48) {
    const call = calls[random.between(0, calls.length - 1)]!;
    return { kind: 'fails', node, atMs, call, after: random.between(0, 8) };
  }
  if (dice < 0.5) return { kind: 'late', node, atMs, forMs: span() };
  if (dice < 0.56) {
    return { kind: 'stall', node, atMs, forMs: span(), looks: random.between(1, 12) };
  }
  if (dice < 0.6) return { kind: 'taken', node, atMs, forMs: span() };
  if (dice < 0.7) {
    return { kind: 'slow', from: node, to, atMs, forMs: span(), delayMs: random.between(5, 900) };
  }
  if (oneMachine || dice < 0.74) return { kind: 'reset', from: node, to, atMs };
  if (dice < 0.78) return { kind: 'off', node, atMs, downMs: span() };
  if (dice < 0.82) return { kind: 'reject', node, atMs, forMs: span() };
  return { kind: 'cut', from: node, to, oneWay: random.next() < 0.4, atMs, forMs: span() };
}

/** Scenarios with less in them; the boldest cut comes first. */
export function* shorter(scenario: Scenario): Generator<Scenario> {
  const { faults } = scenario;
  for (let length = Math.ceil(faults.length / 2); length >= 1; length = Math.floor(length / 2)) {
    for (let at = 0; at < faults.length; at += length) {
      yield { ...scenario, faults: faults.filter((_, i) => i < at || i >= at + length) };
    }
  }
  const last = Math.max(1000, ...faults.map(({ atMs }) => atMs + 10));
  if (last < scenario.faultsEndMs) yield { ...scenario, faultsEndMs: last };
  if (scenario.nodes.length > 2) {
    const nodes = scenario.nodes.slice(0, -1);
    const isKnown = (fault: Fault): boolean => {
      if (fault.kind === 'deaf') return true;
      return 'node' in fault
        ? nodes.includes(fault.node)
        : nodes.includes(fault.from) && nodes.includes(fault.to);
    };
    yield { ...scenario, nodes, faults: faults.filter(isKnown) };
  }
  if (scenario.linkless.length > 0) yield { ...scenario, linkless: [] };
  if (scenario.lostPercent > 0) yield { ...scenario, lostPercent: 0 };
  if (scenario.memoryMs > 0) yield { ...scenario, memoryMs: 0 };
  if (scenario.readers > 1) yield { ...scenario, readers: 1 };
  if (scenario.writers > 1) yield { ...scenario, writers: 1 };
  if (scenario.files.length > 0) yield { ...scenario, files: [] };
  if (scenario.clockRates.some((rate) => rate !== 1)) {
    yield { ...scenario, clockRates: scenario.clockRates.map(() => 1) };
  }
}
