/**
 * A client's knowledge of a cache whose server may close its connections, hold replies back, or be succeeded: an
 * acknowledged write stands, and a write without an answer may stand or not.
 */
import { Client } from './client.js';
import { slowness } from './until.js';

const host = '127.0.0.1';
/** A reply may be held back until a lease is over. */
const answerMs = 15_000 * slowness;

/** The values that each key may hold. */
export class AcknowledgedStore {
  private readonly values = new Map<string, Set<string>>();
  private written = 0;

  /** Sets keys of every size; returns how many clients were closed meanwhile. */
  async write(port: number): Promise<number> {
    const rest = [...Array(12).keys()].map((i) => `key${i}`);
    let closed = 0;
    while (rest.length > 0) {
      try {
        const client = await Client.connect(host, port);
        try {
          while (rest.length > 0) {
            await this.set(client, rest[0]!);
            rest.shift();
          }
        } finally {
          client.close();
        }
      } catch (error) {
        if (!/; the server closed;|ECONNRESET/.test((error as Error).message)) throw error;
        if (++closed > 3) throw error;
      }
    }
    return closed;
  }

  async check(port: number): Promise<void> {
    const client = await Client.connect(host, port);
    try {
      for (const [key, allowed] of this.values) {
        await client.send(`get ${key}\r\n`);
        const line = await client.readLine();
        if (line === 'END') throw new Error(`${key} is lost`);
        const length = Number(line.split(' ')[3]);
        const found = (await client.read(length + 7)).toString('latin1').slice(0, length);
        if (!allowed.has(found)) {
          throw new Error(
            `${key}: ${found.slice(0, 20)}, not ${[...allowed].map((v) => v.slice(0, 20))}`,
          );
        }
      }
    } finally {
      client.close();
    }
  }

  private async set(client: Client, key: string): Promise<void> {
    const size = key === 'key7' ? 500_000 : key === 'key5' ? 20_000 : 40;
    const value = `${this.written++} `.padEnd(size, key);
    this.values.set(key, new Set([...(this.values.get(key) ?? []), value]));
    await client.send(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
    const line = await client.readLine(answerMs);
    if (line !== 'STORED') throw new Error(`set ${key}: ${line}`);
    this.values.set(key, new Set([value]));
  }
}
