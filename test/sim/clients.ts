/**
 * The clients of a scenario: writers and readers, each of which uses one node at a time. A writer has a key of its own,
 * writes a larger number each time, and never uses the key again when an answer does not come, as it cannot know
 * whether the write happened.
 */
import type { Random } from '../../failover/drill/random.js';
import type { Timer, Timers } from '../../src/native/ports.js';
import type { Checker } from './checker.js';

/** A connection of a client to a node. */
export interface Line {
  send(text: string): void;
  close(): void;
}

export interface ClientParts {
  readonly name: string;
  readonly random: Random;
  readonly checker: Checker;
  readonly timers: Timers;
  nowMs(): number;
  /** Names of the nodes that clients may use. */
  readonly nodes: readonly string[];
  connect(
    node: string,
    events: { opened(node: string): void; data(text: string): void; closed(): void },
  ): Line;
  /** Longest pause before a request. */
  readonly thinkMs: number;
  /** A client without an answer for this long tries another node. */
  readonly patienceMs: number;
  /** The client often connects anew, as PHP does, and to any node. */
  readonly reconnects: boolean;
  /** Keys that are, or were, written; the newest last. */
  readonly keys: string[];
}

const awayMsMost = 150;
/** The share of answers after which a client that often connects anew does so. */
const reconnectShare = 0.3;
/** Readers read one of this many newest keys. */
const keysRead = 8;

abstract class Client {
  protected readonly parts: ClientParts;
  protected node = '';
  protected sentMs = 0;
  private line: Line | null = null;
  private received = '';
  private patience: Timer | null = null;
  private ended = false;
  /** Counts connections: answers to earlier ones are ignored. */
  private round = 0;

  constructor(parts: ClientParts) {
    this.parts = parts;
  }

  start(): void {
    this.later(this.parts.thinkMs, () => this.connect());
  }

  end(): void {
    this.ended = true;
    this.hangUp();
  }

  /** The next request. */
  protected abstract ask(): string;
  /** A whole answer has come. False: it is not the expected one, and this client tries another node. */
  protected abstract answered(text: string): boolean;
  /** The answer to the last request will not come any more. */
  protected abstract unanswered(): void;
  /** The length of the answer at the start of this text; 0: the answer is not whole yet. */
  protected abstract lengthOf(text: string): number;

  private connect(): void {
    if (this.ended) return;
    const { nodes, random } = this.parts;
    const round = ++this.round;
    const current = (): boolean => round === this.round && !this.ended;
    this.node = nodes[random.between(0, nodes.length - 1)]!;
    this.received = '';
    this.wait();
    this.line = this.parts.connect(this.node, {
      opened: (node) => {
        if (!current()) return;
        this.node = node;
        this.next();
      },
      data: (text) => {
        if (current()) this.data(text);
      },
      closed: () => {
        if (current()) this.lost();
      },
    });
  }

  private next(): void {
    this.sentMs = this.parts.nowMs();
    this.wait();
    this.line!.send(this.ask());
  }

  private data(text: string): void {
    this.received += text;
    const length = this.lengthOf(this.received);
    if (length === 0) return;
    const answer = this.received.slice(0, length);
    this.received = this.received.slice(length);
    this.patience?.cancel();
    const round = this.round;
    if (!this.answered(answer)) {
      this.lost();
      return;
    }
    if (this.parts.reconnects && this.parts.random.next() < reconnectShare) {
      this.hangUp();
      this.later(this.parts.thinkMs, () => this.connect());
      return;
    }
    this.later(this.parts.thinkMs, () => {
      if (round === this.round) this.next();
    });
  }

  private lost(): void {
    this.unanswered();
    this.hangUp();
    this.later(awayMsMost, () => this.connect());
  }

  private hangUp(): void {
    this.round++;
    this.patience?.cancel();
    this.line?.close();
    this.line = null;
  }

  private wait(): void {
    this.patience?.cancel();
    this.patience = this.parts.timers.after(this.parts.patienceMs, () => this.lost());
  }

  private later(most: number, run: () => void): void {
    this.parts.timers.after(this.parts.random.next() * most, () => {
      if (!this.ended) run();
    });
  }
}

export class Writer extends Client {
  private key = '';
  private serial = 0;
  private keysLeft = 0;

  protected ask(): string {
    if (this.serial === 0) {
      this.key = `${this.parts.name}.${this.keysLeft}`;
      this.parts.keys.push(this.key);
    }
    this.serial++;
    this.parts.checker.sends(this.node, this.key, this.serial);
    const value = String(this.serial);
    return `set ${this.key} 0 0 ${value.length}\r\n${value}\r\n`;
  }

  protected answered(text: string): boolean {
    if (text !== 'STORED\r\n') return false;
    const { checker } = this.parts;
    checker.wrote(this.node, this.key, this.serial, this.sentMs, this.parts.nowMs());
    return true;
  }

  protected unanswered(): void {
    // On another node the key may belong to another reign, so a writer that moves always takes a new key.
    this.serial = 0;
    this.keysLeft++;
  }

  protected lengthOf(text: string): number {
    return text.indexOf('\n') + 1;
  }
}

export class Reader extends Client {
  private key = '';
  private floor = 0;

  protected ask(): string {
    const { keys, random, checker } = this.parts;
    const from = Math.max(0, keys.length - keysRead);
    this.key = keys.length === 0 ? 'none' : keys[random.between(from, keys.length - 1)]!;
    this.floor = checker.floorOf(this.node, this.key);
    return `get ${this.key}\r\n`;
  }

  protected answered(text: string): boolean {
    const { checker } = this.parts;
    const found = /^VALUE \S+ 0 \d+\r\n(\d+)\r\nEND\r\n$/.exec(text);
    if (found === null && text !== 'END\r\n') return false;
    const serial = found === null ? 0 : Number(found[1]);
    checker.read(this.node, this.key, serial, this.floor, this.sentMs, this.parts.nowMs());
    return true;
  }

  protected unanswered(): void {}

  protected lengthOf(text: string): number {
    const end = text.indexOf('END\r\n');
    if (end >= 0) return end + 5;
    return text.startsWith('VALUE') ? 0 : text.indexOf('\n') + 1;
  }
}
