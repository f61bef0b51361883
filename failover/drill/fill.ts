/** Fills the cache before the load, so that a takeover is measured with a cache in it; checks a sample afterwards. */
import { once } from 'node:events';
import net from 'node:net';
import { HotspareError } from '../../src/base/errors.js';
import type { Tally } from './client.js';
import { Connection, type Reply } from './connection.js';
import type { Random } from './random.js';
import { until } from './until.js';

/** Bytes of a filling item's value; with key and header it fills one chunk of 1184 bytes. */
const valueBytes = 1000;
const itemBytes = 1184;
const itemsPerWrite = 256;
const sampleKeys = 1000;
const keysPerRead = 100;
const patienceMs = 30_000;
const attemptsMost = 3;
const host = '127.0.0.1';

export function itemsFor(mebibytes: number): number {
  return Math.floor((mebibytes * 2 ** 20) / itemBytes);
}

/** Sets `items` keys; resolves when the last is acknowledged. Throws HotspareError DRILL. */
export async function fill(port: number, items: number): Promise<void> {
  if (items === 0) return;
  for (let attempt = 1; ; attempt++) {
    const socket = net.connect({ host, port, noDelay: true });
    try {
      // An error ends every wait in `send`, and so does this timeout, should nothing come at all.
      socket.setTimeout(patienceMs, () => socket.destroy(new Error('no answer')));
      await send(socket, items);
      return;
    } catch (error) {
      if (attempt === attemptsMost) throw broken(error as Error);
    } finally {
      socket.destroy();
    }
  }
}

/** Sets with noreply, for speed. The answer to the command behind them shows that all were executed. */
async function send(socket: net.Socket, items: number): Promise<void> {
  await once(socket, 'connect');
  for (let at = 0; at < items; at += itemsPerWrite) {
    let text = '';
    for (let i = at; i < Math.min(at + itemsPerWrite, items); i++) {
      text += `set ${keyOf(i)} 0 0 ${valueBytes} noreply\r\n${fillingOf(i)}\r\n`;
    }
    if (!socket.write(text, 'latin1')) await once(socket, 'drain');
  }
  socket.write('version\r\n');
  await once(socket, 'data');
}

/** Reads back some of the keys, chosen by the seed, and compares. */
export async function checkFill(
  port: number,
  items: number,
  random: Random,
  tally: Tally,
): Promise<void> {
  const keys = Array.from({ length: Math.min(sampleKeys, items) }, () =>
    random.between(0, items - 1),
  );
  await ask(port, (connection, done) => {
    for (let at = 0; at < keys.length; at += keysPerRead) {
      const some = [...new Set(keys.slice(at, at + keysPerRead))];
      connection.send(`gets ${some.map(keyOf).join(' ')}\r\n`, (reply) => {
        compare(some, reply, tally);
      });
    }
    connection.send('version\r\n', done);
  });
}

/** The rows of `stats`. */
export async function statistics(port: number): Promise<ReadonlyMap<string, string>> {
  let stats: ReadonlyMap<string, string> = new Map();
  await ask(port, (connection, done) => {
    connection.send('stats\r\n', (reply) => {
      stats = reply.stats;
      done();
    });
  });
  return stats;
}

async function ask(
  port: number,
  questions: (connection: Connection, done: () => void) => void,
): Promise<void> {
  let answered = false;
  const done = (): void => {
    answered = true;
  };
  const connection: Connection = new Connection(port, {
    opened: () => questions(connection, done),
    answered: () => {},
  });
  connection.open();
  await until('the primary to answer', () => answered, patienceMs);
  connection.end();
}

function broken(error: Error): HotspareError {
  const sentence = `filling the cache failed: ${error.message}`;
  return new HotspareError('DRILL', sentence, 'see what the nodes said');
}

function compare(items: readonly number[], reply: Reply, tally: Tally): void {
  const found = new Map(reply.items.map((item) => [item.key, item.value]));
  for (const item of items) {
    const value = found.get(keyOf(item));
    tally.checked++;
    if (value === fillingOf(item)) continue;
    tally.note({
      kind: value === undefined ? 'lost' : 'wrong',
      key: keyOf(item),
      expected: 'the value it was filled with',
      found: value === undefined ? 'no such key' : `${value.slice(0, 30)}…`,
    });
  }
}

function keyOf(item: number): string {
  return `fill-${item}`;
}

function fillingOf(item: number): string {
  return `${item}:`.padEnd(valueBytes, 'f');
}
