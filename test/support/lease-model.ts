/**
 * A primary and its standby on two clocks, as a model: both pure sides of the lease, the real detector, and the parts
 * of a node that matter to them. The work of a node is cut into calls, and it may stand still between any two of them.
 * The replies that left, and the moment at which the standby served, show whether a history is wrong.
 */
import { noRecord, type ReignRecord } from '../../backup/lease/lease.js';
import { type LeaseTimes, PrimaryLease } from '../../backup/lease/primary-lease.js';
import { StandbyLease } from '../../backup/lease/standby-lease.js';
import { Detector } from '../../failover/detector.js';

/** Drawn by fast-check. All times are ms of the one true time, which nobody in the model can read. */
export interface History {
  readonly link: 'tcp' | 'rdma';
  readonly seed: number;
  /** The share of requests that are writes. */
  readonly writes: number;
  /** The longest delay of a slow message. */
  readonly slowMs: number;
  /** How often a node stands still between two calls: anywhere, and right before an act that cannot be undone. */
  readonly stills: number;
  readonly stillsBefore: number;
  /** The rate of the primary's clock, and of the standby's. */
  readonly rates: readonly number[];
  readonly ackTimeoutMs: number;
  /** Times without messages in one direction: a message is lost, or comes afterwards. */
  readonly cuts: readonly Cut[];
  /** The connection ends; each side learns it after a while, or never within the history. */
  readonly reset: {
    readonly atMs: number;
    readonly primaryMs: number;
    readonly standbyMs: number;
  } | null;
  readonly pauses: readonly {
    readonly node: 'primary' | 'standby';
    readonly atMs: number;
    readonly forMs: number;
  }[];
}

export interface Cut {
  readonly to: 'primary' | 'standby';
  readonly atMs: number;
  readonly forMs: number;
  readonly loses: boolean;
}

/** The rules as they are; a test replaces one to see that its absence is found. */
export interface Rules {
  readonly primaryLease: (times: LeaseTimes) => PrimaryLease;
  readonly standbyLease: () => StandbyLease;
  /** The lease is looked at right before the claim, and right before the first answer. */
  readonly looksBeforeClaim: boolean;
  readonly looksBeforeServing: boolean;
  /** No heartbeat is echoed, and no batch acked, once a claim has begun. */
  readonly isSilentWhileClaiming: boolean;
  /** A batch that only the standby's memory has acked promises nothing. */
  readonly tellsCardFromStandby: boolean;
  /** A reply waits for any ack that is under way, however old its batch. */
  readonly waitsForAnyBatch: boolean;
  /** The share of the ack timeout after which a standby that owes an ack is dropped. */
  readonly dropShare: number;
  /** Without a connection a standby waits only for a heartbeat, not for `--dead-after`. */
  readonly hurriesWhenRefused: boolean;
  readonly record: () => ReignRecord;
}

export const rules: Rules = {
  primaryLease: (times) => new PrimaryLease(times, 0),
  standbyLease: () => new StandbyLease(0),
  looksBeforeClaim: true,
  looksBeforeServing: true,
  isSilentWhileClaiming: true,
  tellsCardFromStandby: true,
  waitsForAnyBatch: false,
  dropShare: 1,
  hurriesWhenRefused: false,
  record: () => noRecord,
};

/** A record that grants the first claim. */
export function firstComes(): ReignRecord {
  let owner: 'primary' | 'standby' | null = null;
  const ask = (who: 'primary' | 'standby', answer: (granted: boolean) => void): void => {
    owner ??= who;
    answer(owner === who);
  };
  return {
    claim: (answer) => ask('standby', answer),
    release: (_, answer) => ask('primary', answer),
  };
}

interface Reply {
  readonly executedMs: number;
  /** The sequence of a write's batch; 0 for a read. */
  sequence: number;
  leftMs: number;
  alone: boolean;
}

export interface Outcome {
  readonly replies: readonly Reply[];
  /** When the primary sent empty batches, which only ask for an ack. */
  readonly askedMs: readonly number[];
  /** When the primary went on alone, when the standby began its takeover, and when it served. */
  readonly aloneMs: number | null;
  readonly claimedMs: number | null;
  readonly servedMs: number | null;
  /** The newest batch that the standby holds when it serves. */
  readonly heldSequence: number;
}

export const heartbeatMs = 10;
export const deadAfterMs = 50;
export const historyMs = 1500;
/** The duration of a call. */
const callMs = 0.05;

/** Cuts a node's work into calls: a yielded value names the place between two of them. */
type Work = Generator<Place, void>;
type Place = 'act' | 'look';

class Machine {
  readonly world: World;
  private readonly rate: number;
  private readonly queues: (() => Work)[][] = [[], [], []];
  private queued = 0;
  private running: Work | null = null;

  constructor(world: World, rate: number) {
    this.world = world;
    this.rate = rate;
  }

  get clock(): number {
    return 10_000 + this.world.nowMs * this.rate;
  }

  every(ms: number, work: () => Work): void {
    let due = false;
    const again = (): void => {
      this.world.after(ms / this.rate, again);
      if (due) return;
      due = true;
      this.run(0, () => {
        due = false;
        return work();
      });
    };
    this.world.after(this.world.random() * ms, again);
  }

  /** Work that comes by one of three ways is done in its order; between the ways there is no order. */
  run(way: 0 | 1 | 2, work: () => Work): void {
    this.queues[way]!.push(work);
    this.queued++;
    if (this.running === null) this.next();
  }

  private next(): void {
    this.running = null;
    if (this.queued === 0) return;
    let way = Math.floor(this.world.random() * 3);
    while (this.queues[way]!.length === 0) way = (way + 1) % 3;
    this.queued--;
    this.running = this.queues[way]!.shift()!();
    this.step(this.running);
  }

  private step(work: Work): void {
    const { done, value } = work.next();
    if (done === true) {
      this.next();
      return;
    }
    const { random } = this.world;
    const { stills, stillsBefore } = this.world.history;
    const share = value === 'look' ? stillsBefore : stills;
    const still = random() < share ? random() ** 2 * 600 : 0;
    this.world.after(callMs + still, () => this.step(work));
  }
}

class World {
  nowMs = 0;
  private readonly events: { readonly atMs: number; readonly run: () => void }[] = [];
  private state: number;

  readonly history: History;

  constructor(history: History) {
    this.history = history;
    this.state = (history.seed ^ 0x9e3779b9) >>> 0 || 1;
    for (let i = 0; i < 16; i++) this.random();
  }

  readonly random = (): number => {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state / 2 ** 32;
  };

  after(ms: number, run: () => void): void {
    const event = { atMs: this.nowMs + ms, run };
    const { events } = this;
    let at = events.length;
    while (at > 0 && events[at - 1]!.atMs <= event.atMs) at--;
    events.splice(at, 0, event);
  }

  runUntil(endMs: number): void {
    for (;;) {
      const event = this.events.pop();
      if (event === undefined || event.atMs > endMs) return;
      this.nowMs = event.atMs;
      event.run();
    }
  }
}

/** One direction of the connection: in order, with delay, and cut at times. */
class Line {
  private readonly world: World;
  private readonly cuts: readonly Cut[];
  private lastMs = 0;
  open = true;

  constructor(world: World, cuts: readonly Cut[]) {
    this.world = world;
    this.cuts = cuts;
  }

  send(arrive: () => void): void {
    const { world } = this;
    const slow = world.random() < 0.02 ? world.history.slowMs : 2;
    let atMs = world.nowMs + 0.1 + world.random() * slow;
    for (const { atMs: fromMs, forMs, loses } of this.cuts) {
      const isCut = atMs >= fromMs && world.nowMs < fromMs + forMs;
      if (isCut && loses) return;
      if (isCut) atMs = fromMs + forMs + world.random() * slow;
    }
    this.lastMs = Math.max(this.lastMs, atMs);
    world.after(this.lastMs - world.nowMs, () => {
      if (this.open) arrive();
    });
  }
}

export function run(history: History, changed: Partial<Rules> = {}): Outcome {
  return new Model(history, { ...rules, ...changed }).run();
}

class Model {
  private readonly history: History;
  private readonly rules: Rules;
  private readonly world: World;
  private readonly primary: Machine;
  private readonly standby: Machine;
  private readonly toPrimary: Line;
  private readonly toStandby: Line;
  private readonly record: ReignRecord;
  // The primary.
  private readonly given: PrimaryLease;
  private phase: 'counted' | 'held' | 'alone' | 'deposed' = 'counted';
  private sequence = 0;
  private acked = 0;
  private readonly committedMs: number[] = [0];
  private readonly waiting: { readonly reply: Reply; readonly barrier: number }[] = [];
  private heardMs: number;
  private primaryConnected = true;
  // The standby.
  private readonly held: StandbyLease;
  private readonly detector: Detector;
  private standbyHeardMs: number;
  private standbyConnected = true;
  private placed = 0;
  private mailbox = { beat: 0, echo: 0 };
  private read = { beat: 0, placed: 0 };
  private stage: 'mirrors' | 'claims' | 'serves' | 'late' = 'mirrors';
  // The outcome.
  private readonly replies: Reply[] = [];
  private readonly askedMs: number[] = [];
  private aloneMs: number | null = null;
  private claimedMs: number | null = null;
  private servedMs: number | null = null;
  private heldSequence = 0;

  constructor(history: History, changed: Rules) {
    this.history = history;
    this.rules = changed;
    this.world = new World(history);
    this.primary = new Machine(this.world, history.rates[0]!);
    this.standby = new Machine(this.world, history.rates[1]!);
    const cutsTo = (node: string): Cut[] => history.cuts.filter(({ to }) => to === node);
    this.toPrimary = new Line(this.world, cutsTo('primary'));
    this.toStandby = new Line(this.world, cutsTo('standby'));
    this.record = changed.record();
    const { ackTimeoutMs } = history;
    this.given = changed.primaryLease({ deadAfterMs, ackTimeoutMs, heartbeatMs });
    this.given.count();
    this.held = changed.standbyLease();
    this.held.begin(ackTimeoutMs);
    this.held.synced();
    this.heardMs = this.primary.clock;
    this.standbyHeardMs = this.standby.clock;
    this.detector = new Detector(heartbeatMs, this.standby.clock);
  }

  run(): Outcome {
    const { world, history, primary, standby } = this;
    primary.every(heartbeatMs, () => this.beat());
    standby.every(heartbeatMs, () => this.look());
    const request = (): void => {
      world.after(world.random() * 8, request);
      primary.run(1, () => this.tick(world.random() < history.writes));
    };
    request();
    for (const { node, atMs, forMs } of history.pauses) {
      const machine = node === 'primary' ? primary : standby;
      world.after(atMs, () => machine.run(0, () => this.standStill(forMs)));
    }
    if (history.reset !== null) this.reset(history.reset);
    world.runUntil(historyMs);
    const { replies, askedMs, aloneMs, claimedMs, servedMs, heldSequence } = this;
    return { replies, askedMs, aloneMs, claimedMs, servedMs, heldSequence };
  }

  private reset({ atMs, primaryMs, standbyMs }: NonNullable<History['reset']>): void {
    const { world } = this;
    world.after(atMs, () => {
      this.toPrimary.open = false;
      this.toStandby.open = false;
    });
    world.after(atMs + primaryMs, () => this.primary.run(2, () => this.lost()));
    world.after(atMs + standbyMs, () => {
      this.standbyConnected = false;
    });
  }

  private *standStill(forMs: number): Work {
    const endMs = this.world.nowMs + forMs;
    while (this.world.nowMs < endMs) yield 'act';
  }

  // ── The primary ──

  /** A tick with one request. */
  private *tick(writes: boolean): Work {
    const reply: Reply = { executedMs: this.world.nowMs, sequence: 0, leftMs: 0, alone: false };
    yield 'act';
    const now = this.primary.clock;
    yield 'act';
    if (this.phase === 'deposed') return;
    if (this.phase === 'counted') {
      if (writes) {
        yield* this.send();
        reply.sequence = this.sequence;
      } else if (this.mustAsk(now)) {
        this.askedMs.push(this.world.nowMs);
        yield* this.send();
      }
    }
    const waits = this.phase === 'held' || (this.phase === 'counted' && this.acked < this.sequence);
    if (waits) {
      const barrier = this.phase === 'held' ? Number.POSITIVE_INFINITY : this.sequence;
      this.waiting.push({ reply, barrier });
      return;
    }
    yield 'act';
    this.leave(reply);
  }

  private mustAsk(now: number): boolean {
    const isWaited = this.acked < this.sequence;
    if (isWaited && this.rules.waitsForAnyBatch) return false;
    const sentMs = isWaited ? this.committedMs[this.sequence]! : Number.NEGATIVE_INFINITY;
    return this.given.mustAsk(now, sentMs, this.isByStandby);
  }

  private get isByStandby(): boolean {
    return this.history.link === 'tcp' || !this.rules.tellsCardFromStandby;
  }

  private leave(reply: Reply): void {
    reply.leftMs = this.world.nowMs;
    reply.alone = this.phase === 'alone';
    this.replies.push(reply);
  }

  private *send(): Work {
    this.sequence++;
    const { sequence } = this;
    this.committedMs[sequence] = this.primary.clock;
    yield 'act';
    if (!this.primaryConnected) return;
    this.toStandby.send(() => {
      if (this.history.link === 'rdma') this.place(sequence);
      else this.standby.run(2, () => this.batch(sequence));
    });
  }

  private *ack(sequence: number): Work {
    if (this.phase !== 'counted' || sequence < this.acked) return;
    this.acked = sequence;
    this.heardMs = this.primary.clock;
    this.given.acked(this.committedMs[sequence]!, this.isByStandby);
    yield 'act';
    this.release(sequence);
  }

  private release(sequence: number): void {
    while (this.waiting.length > 0 && this.waiting[0]!.barrier <= sequence) {
      this.leave(this.waiting.shift()!.reply);
    }
  }

  private waitedMs(now: number): number {
    return this.acked === this.sequence ? 0 : now - this.committedMs[this.acked + 1]!;
  }

  private *beat(): Work {
    const now = this.primary.clock;
    yield 'act';
    if (this.phase === 'held' && this.given.isOver(now)) this.goAlone();
    if (this.phase !== 'counted') return;
    if (this.given.wasAwake(now)) {
      const limitMs = this.history.ackTimeoutMs * this.rules.dropShare;
      if (this.waitedMs(now) > limitMs || now - this.heardMs > limitMs) this.goAlone();
    }
    if (this.phase !== 'counted') return;
    const echo = this.given.echo(this.waitedMs(now));
    const beat = this.given.beat(now);
    yield 'act';
    this.toStandby.send(() => {
      if (this.history.link === 'tcp') this.standby.run(2, () => this.hear(beat, echo));
      else if (this.stage === 'mirrors') this.mailbox = { beat, echo };
    });
  }

  private goAlone(): void {
    this.given.end();
    this.record.release('standby', (granted) => {
      this.phase = granted ? 'alone' : 'deposed';
      if (!granted) return;
      this.aloneMs = this.world.nowMs;
      this.release(Number.POSITIVE_INFINITY);
    });
  }

  private *heardBeat(beat: number, echo: number): Work {
    if (this.phase !== 'counted') return;
    this.heardMs = this.primary.clock;
    yield 'act';
    this.given.heard(beat, echo);
  }

  private *lost(): Work {
    this.primaryConnected = false;
    const now = this.primary.clock;
    yield 'act';
    if (this.phase !== 'counted') return;
    this.given.lose(now);
    this.phase = 'held';
  }

  // ── The standby ──

  /** Places a batch over RDMA, which needs no process. */
  private place(sequence: number): void {
    const isOpen = this.stage === 'mirrors';
    if (!isOpen || sequence !== this.placed + 1) return;
    this.placed = sequence;
    this.toPrimary.send(() => this.primary.run(2, () => this.ack(sequence)));
  }

  private *batch(sequence: number): Work {
    if (!this.standbyConnected || sequence !== this.read.placed + 1) return;
    if (this.stage !== 'mirrors' && this.rules.isSilentWhileClaiming) return;
    this.standbyHeardMs = this.standby.clock;
    this.read.placed = sequence;
    if (this.stage === 'mirrors') this.placed = sequence;
    yield 'act';
    if (this.mayPromise) this.toPrimary.send(() => this.primary.run(2, () => this.ack(sequence)));
  }

  private get mayPromise(): boolean {
    return this.held.mayPromise || !this.rules.isSilentWhileClaiming;
  }

  private *hear(beat: number, echo: number): Work {
    if (!this.standbyConnected) return;
    this.standbyHeardMs = this.standby.clock;
    yield 'act';
    this.held.heard(beat, echo);
  }

  private readMailbox(): void {
    const { beat, echo } = this.mailbox;
    const moved = beat !== this.read.beat || this.placed !== this.read.placed;
    if (!moved) return;
    this.standbyHeardMs = this.standby.clock;
    if (beat !== this.read.beat) this.held.heard(beat, echo);
    this.read = { beat, placed: this.placed };
  }

  private *look(): Work {
    const now = this.standby.clock;
    yield 'act';
    if (this.history.link === 'rdma') this.readMailbox();
    if (this.standbyConnected && this.mayPromise) {
      const [beat, echo] = [this.held.beat(now), this.held.echo];
      yield 'act';
      this.toPrimary.send(() => this.primary.run(2, () => this.heardBeat(beat, echo)));
    }
    if (this.stage !== 'mirrors' || !this.held.isConfirmed) return;
    const hurries = this.rules.hurriesWhenRefused && !this.standbyConnected;
    const silenceMs = hurries ? heartbeatMs : deadAfterMs;
    if (this.detector.look(now, this.standbyHeardMs) < silenceMs) return;
    if (!this.held.mayServe(this.standby.clock)) return;
    yield* this.takeOver();
  }

  private *takeOver(): Work {
    const verdictMs = this.standby.clock;
    yield 'look';
    const claims = this.held.claim(this.rules.looksBeforeClaim ? this.standby.clock : verdictMs);
    this.stage = claims ? 'claims' : 'late';
    if (!claims) return;
    this.claimedMs = this.world.nowMs;
    let granted = false;
    this.record.claim((answer) => {
      granted = answer;
    });
    yield 'look';
    const again = this.rules.looksBeforeServing ? this.standby.clock : verdictMs;
    // A primary that asks the record goes on alone only with its consent, so the lease is not needed then.
    const holds = this.rules.record !== rules.record || this.held.mayServe(again);
    if (!granted || !holds) {
      this.stage = 'late';
      return;
    }
    this.stage = 'serves';
    this.servedMs = this.world.nowMs;
    this.heldSequence = this.placed;
  }
}

/** Says how a history is wrong; null when it is not. */
export function fault({
  replies,
  aloneMs,
  claimedMs,
  servedMs,
  heldSequence,
}: Outcome): string | null {
  if (claimedMs === null) return null;
  if (aloneMs !== null && aloneMs <= claimedMs) {
    return `the takeover begins at ${claimedMs}, the primary may answer alone since ${aloneMs}`;
  }
  if (aloneMs !== null && servedMs !== null && aloneMs <= servedMs) {
    return `the standby serves at ${servedMs}, the primary may answer alone since ${aloneMs}`;
  }
  for (const { executedMs, alone, sequence } of replies) {
    if (alone) continue;
    if (executedMs > claimedMs) {
      return `executed at ${executedMs}, and answered; the takeover began at ${claimedMs}`;
    }
    if (servedMs !== null && sequence > heldSequence) {
      return `batch ${sequence} was acknowledged, and the standby serves with ${heldSequence}`;
    }
  }
  return null;
}

/** With a record there is no split: no request is answered that was executed after the other node served. */
export function split({ replies, aloneMs, servedMs }: Outcome): string | null {
  if (servedMs === null) return null;
  if (aloneMs !== null) return 'both were granted to go on';
  const late = replies.find(({ executedMs }) => executedMs > servedMs);
  return late === undefined ? null : `executed at ${late.executedMs}, served at ${servedMs}`;
}
