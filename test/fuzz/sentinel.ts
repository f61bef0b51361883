/**
 * The sentinel: a connection beside the fuzzed ones, with keys of its own and a plain Map as its model. Whatever
 * the others send, it reads back exactly what it stored.
 */
import { Client, shown } from '../support/client.js';
import type { Server } from '../support/server.js';
import type { Random } from './random.js';

const KEYS = 20;
const VALUE_BYTES_MAX = 3000;

interface Held {
  readonly value: string;
  readonly flags: number;
}

export class Sentinel {
  readonly #client: Client;
  readonly #random: Random;
  readonly #prefix: string;
  readonly #held = new Map<string, Held>();

  private constructor(client: Client, random: Random) {
    this.#client = client;
    this.#random = random;
    this.#prefix = `sentinel${random.below(2 ** 32).toString(36)}_`;
  }

  static async start(server: Server, random: Random): Promise<Sentinel> {
    const sentinel = new Sentinel(await Client.connect(server.host, server.port), random);
    for (let number = 0; number < KEYS; number += 1) {
      await sentinel.#set(number);
    }
    return sentinel;
  }

  /** Changes something, then reads something back. */
  async step(): Promise<void> {
    const number = this.#random.below(KEYS);
    switch (this.#random.below(4)) {
      case 0:
        await this.#set(number);
        break;
      case 1:
        await this.#delete(number);
        break;
      case 2:
        await this.#append(number);
        break;
      default:
        await this.#incr(number);
    }
    await this.#get([number, this.#random.below(KEYS), this.#random.below(KEYS)]);
  }

  /** Reads back everything. */
  async readAll(): Promise<void> {
    await this.#get(Array.from({ length: KEYS }, (_, number) => number));
  }

  close(): void {
    this.#client.close();
  }

  async #set(number: number): Promise<void> {
    const key = this.#prefix + number;
    const flags = this.#random.below(2 ** 32);
    const value = this.#random.chance(30)
      ? String(this.#random.below(100_000))
      : this.#random.bytes(this.#random.below(VALUE_BYTES_MAX));
    this.#held.set(key, { value, flags });
    await this.#ask(`set ${key} ${flags} 0 ${value.length}\r\n${value}\r\n`, 'STORED\r\n');
  }

  async #append(number: number): Promise<void> {
    const key = this.#prefix + number;
    const more = this.#random.bytes(this.#random.below(50));
    const held = this.#held.get(key);
    const fits = held !== undefined && held.value.length < VALUE_BYTES_MAX;
    if (fits) {
      this.#held.set(key, { ...held, value: held.value + more });
    }
    if (fits || held === undefined) {
      const answer = held === undefined ? 'NOT_STORED\r\n' : 'STORED\r\n';
      await this.#ask(`append ${key} 0 0 ${more.length}\r\n${more}\r\n`, answer);
    }
  }

  async #delete(number: number): Promise<void> {
    const key = this.#prefix + number;
    const answer = this.#held.delete(key) ? 'DELETED\r\n' : 'NOT_FOUND\r\n';
    await this.#ask(`delete ${key}\r\n`, answer);
  }

  async #incr(number: number): Promise<void> {
    const key = `${this.#prefix}n${number}`;
    const held = this.#held.get(key);
    const next = String(Number(held?.value ?? 0) + number);
    this.#held.set(key, { value: next, flags: 0 });
    if (held === undefined) {
      await this.#ask(`set ${key} 0 0 ${next.length}\r\n${next}\r\n`, 'STORED\r\n');
    } else {
      await this.#ask(`incr ${key} ${number}\r\n`, `${next}\r\n`);
    }
    await this.#ask(`get ${key}\r\n`, `VALUE ${key} 0 ${next.length}\r\n${next}\r\nEND\r\n`);
  }

  async #get(numbers: readonly number[]): Promise<void> {
    const keys = numbers.map((number) => this.#prefix + number);
    const values = keys.map((key) => {
      const held = this.#held.get(key);
      return held === undefined
        ? ''
        : `VALUE ${key} ${held.flags} ${held.value.length}\r\n${held.value}\r\n`;
    });
    await this.#ask(`get ${keys.join(' ')}\r\n`, `${values.join('')}END\r\n`);
  }

  async #ask(sent: string, expected: string): Promise<void> {
    await this.#client.send(sent);
    const got = await this.#client.readUntil(
      `the sentinel's answer to ${shown(sent)}`,
      (text) => text.length >= expected.length || !expected.startsWith(text),
      10_000,
    );
    const text = got.toString('latin1');
    if (text !== expected) {
      throw new Error(
        `the sentinel sent ${shown(sent)},\n expected ${shown(expected)}\n received ${shown(text)}`,
      );
    }
  }
}
