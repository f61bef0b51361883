/**
 * A client of the drill: a connection, and keys that no other client writes. It keeps a few requests on their way, and
 * records what was sent and what was acknowledged. After every reconnect it first reads back all of its keys, as a lost
 * write must be seen before its key is written again.
 */
import { monotonicMs } from '../../src/native/clock.js';
import { Connection, type Reply } from './connection.js';
import { KeyHistory, type Write } from './history.js';
import { choose, compareAndSet, requestOf } from './mix.js';
import type { Random } from './random.js';
import { judge, judgeReply, type Violation } from './verify.js';

/** The counts of all clients together. */
export class Tally {
  /** Writes that were acknowledged. */
  acknowledged = 0;
  /** Keys that were read back and compared. */
  checked = 0;
  /** CAS ids from before a takeover that were used after it. */
  casUsed = 0;
  readonly violations: Violation[] = [];
  /** The highest CAS id that any client has seen; all ids come from one counter. */
  casHighest = 0;

  note(violation: Violation | null): void {
    if (violation !== null) this.violations.push(violation);
  }
}

export interface ClientOptions {
  readonly port: number;
  readonly name: string;
  readonly keys: number;
  readonly valueBytes: number;
  readonly random: Random;
  readonly tally: Tally;
  /** A request has been answered: there may be room for another. */
  readonly onAnswer: (client: Client) => void;
}

/** The most requests that a client has on their way. */
const windowMost = 4;
/** Keys of one read-back request, and CAS ids from before a takeover that are used after it. */
const keysPerRead = 50;
const casProbes = 8;
const numericEvery = 5;

export class Client {
  /** When the last answer came, and the longest time between two answers since `watch`, both in ms. */
  answeredMs = 0;
  longestGapMs = 0;
  /** The first answer on a connection that was opened after `watch`, in ms; 0: none yet. */
  reconnectedMs = 0;
  private readonly options: ClientOptions;
  private readonly connection: Connection;
  private readonly histories: KeyHistory[];
  /** True when all keys were read back on the newest connection. */
  private isReady = false;
  private watched = false;
  private isNew = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.histories = Array.from(
      { length: options.keys },
      (_, i) => new KeyHistory(`${options.name}-${i}`, i % numericEvery === 0),
    );
    this.connection = new Connection(options.port, {
      opened: () => this.opened(),
      answered: () => this.answered(),
    });
    this.connection.open();
  }

  get hasRoom(): boolean {
    return this.isServed && this.connection.outstanding < windowMost;
  }

  get isIdle(): boolean {
    return this.isServed && this.connection.outstanding === 0;
  }

  /** Requests that were sent without a connection would leave before the keys are read back. */
  private get isServed(): boolean {
    return this.isReady && this.connection.isOpen;
  }

  /** From now on gaps are measured. */
  watch(): void {
    this.watched = true;
    this.isNew = false;
    this.longestGapMs = 0;
    this.reconnectedMs = 0;
  }

  /** Sends one command of the mix; true when it writes. */
  step(): boolean {
    const { random, valueBytes } = this.options;
    const history = this.histories[random.between(0, this.histories.length - 1)]!;
    const write = choose(history, random, valueBytes);
    if (write === null) this.read([history], false);
    else this.write(history, write);
    return write !== null;
  }

  /** Reads back every key. Writes whose answer was cut off may have happened or not. */
  readBack(): void {
    for (let at = 0; at < this.histories.length; at += keysPerRead) {
      this.read(this.histories.slice(at, at + keysPerRead), true);
    }
  }

  end(): void {
    this.connection.end();
  }

  private opened(): void {
    this.isReady = false;
    this.isNew = true;
    // The first request is small, so that the wait of an ordinary client is measured. All others follow its answer.
    this.read(this.histories.slice(0, 1), true, () => {
      this.useOldCas();
      this.readBack();
      this.connection.send('version\r\n', () => {
        this.isReady = true;
        this.options.onAnswer(this);
      });
    });
  }

  /** A CAS id from before must still work for an item that did not change. */
  private useOldCas(): void {
    const { random, valueBytes } = this.options;
    const known = this.histories.filter(
      ({ cas, unanswered }, i) => i > 0 && cas !== null && unanswered.length === 0,
    );
    for (let i = 0; i < Math.min(casProbes, known.length); i++) {
      const [history] = known.splice(random.between(0, known.length - 1), 1);
      this.write(history!, compareAndSet(history!, random, valueBytes));
    }
  }

  private write(history: KeyHistory, write: Write): void {
    const { tally } = this.options;
    history.sent(write, tally.casHighest);
    this.connection.send(requestOf(history.key, write), (reply) => {
      tally.acknowledged++;
      // Writes before the keys are read back use CAS ids from before the takeover.
      if (!this.isReady) tally.casUsed++;
      tally.note(judgeReply(history, reply.status));
      this.options.onAnswer(this);
    });
  }

  private read(histories: readonly KeyHistory[], inDoubt: boolean, then?: () => void): void {
    const request = `gets ${histories.map(({ key }) => key).join(' ')}\r\n`;
    this.connection.send(request, (reply) => {
      this.compare(histories, reply, inDoubt);
      then?.();
      this.options.onAnswer(this);
    });
  }

  private compare(histories: readonly KeyHistory[], reply: Reply, inDoubt: boolean): void {
    const { tally } = this.options;
    const found = new Map(reply.items.map((item) => [item.key, item]));
    if (reply.status !== 'END' || found.size > histories.length) {
      tally.note({ kind: 'wrong', key: '', expected: 'END', found: reply.status });
    }
    for (const history of histories) {
      const item = found.get(history.key) ?? null;
      tally.note(judge(history, item, inDoubt));
      if (item !== null && item.cas > tally.casHighest) tally.casHighest = item.cas;
      if (inDoubt) tally.checked++;
    }
  }

  private answered(): void {
    const now = monotonicMs();
    if (this.watched) {
      this.longestGapMs = Math.max(this.longestGapMs, now - this.answeredMs);
      if (this.isNew && this.reconnectedMs === 0) this.reconnectedMs = now;
    }
    this.answeredMs = now;
  }
}
