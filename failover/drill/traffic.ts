/** The load: several clients, and the pace at which they write. */

import { Client, type Tally } from './client.js';
import type { Random } from './random.js';
import { until } from './until.js';

export interface TrafficOptions {
  readonly port: number;
  readonly connections: number;
  /** Keys of each connection. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Writes a second, of all connections together; 0: as fast as it goes. */
  readonly rate: number;
  readonly random: Random;
  readonly tally: Tally;
}

const tickMs = 1;
/** Writes that were not made in time are made up for, but not beyond this much. */
const arrearsMs = 20;
/** An answer comes well before this, or never. */
const patienceMs = 30_000;

export class Traffic {
  readonly clients: readonly Client[];
  private readonly rate: number;
  private ticker: NodeJS.Timeout | null = null;
  private tickedMs = 0;
  private allowance = 0;
  private turn = 0;

  constructor(options: TrafficOptions) {
    this.rate = options.rate;
    this.clients = Array.from(
      { length: options.connections },
      (_, i) =>
        new Client({ ...options, name: `client${i}`, onAnswer: (client) => this.pump(client) }),
    );
  }

  start(): void {
    this.tickedMs = performance.now();
    this.ticker = setInterval(() => this.tick(), tickMs);
  }

  /** Sends no more, and resolves when everything is answered. */
  async stop(): Promise<void> {
    if (this.ticker !== null) clearInterval(this.ticker);
    this.ticker = null;
    await this.idle();
  }

  /** Compares every key with what was acknowledged. */
  async readBack(): Promise<void> {
    for (const client of this.clients) client.readBack();
    await this.idle();
  }

  /** Resolves when every client is connected, has read back its keys, and waits for nothing. */
  async idle(): Promise<void> {
    const all = (): boolean => this.clients.every((client) => client.isIdle);
    await until('an answer to every client', all, patienceMs);
  }

  /** From now on gaps are measured. */
  watch(): void {
    for (const client of this.clients) client.watch();
  }

  /** Resolves when every client has an answer on a connection made after `watch`. */
  async reconnected(): Promise<void> {
    const all = (): boolean => this.clients.every((client) => client.reconnectedMs > 0);
    await until('every client to get an answer after the failure', all, patienceMs);
  }

  end(): void {
    if (this.ticker !== null) clearInterval(this.ticker);
    for (const client of this.clients) client.end();
  }

  private tick(): void {
    const now = performance.now();
    const most = (this.rate * arrearsMs) / 1000;
    this.allowance += ((now - this.tickedMs) * this.rate) / 1000;
    if (this.allowance > most) this.allowance = Math.max(most, 1);
    this.tickedMs = now;
    // The next tick goes on where this one stops, so that no client is idle for longer than the others.
    for (let i = 0; i < this.clients.length && this.mayWrite; i++) {
      this.pump(this.clients[this.turn]!);
      this.turn = (this.turn + 1) % this.clients.length;
    }
  }

  private get mayWrite(): boolean {
    return this.rate === 0 || this.allowance >= 1;
  }

  /** Fills a client's window, as far as the pace allows. */
  private pump(client: Client): void {
    if (this.ticker === null) return;
    while (client.hasRoom && this.mayWrite) {
      if (client.step()) this.allowance--;
      // At a pace, clients take turns.
      if (this.rate !== 0) return;
    }
  }
}
