/** Output: barriers, partial sends, back-pressure, references, and what is still sent when a connection ends. */
import { describe, expect, test } from '@jest/globals';
import { EventKind, Next } from '../../src/native/addon.js';
import {
  echo,
  lines,
  open,
  reached,
  rests,
  serve,
  type TickServer,
} from '../support/tickserver.js';

const pending = (server: TickServer) => server.transport.counters[3]!;

describe('barriers', () => {
  test('a held reply leaves when its barrier is released, not before', async () => {
    const server = serve();
    const client = await open(server.listen());
    server.barrier = 5;
    client.send('held');
    await reached(() => pending(server) === 4);
    server.transport.release(4);
    expect(pending(server)).toBe(4);
    expect(server.transport.describe(0)!.pendingBytes).toBe(4);
    server.transport.release(5);
    expect(pending(server)).toBe(0);
    await client.expect('held');
    client.send('at once');
    await client.expect('at once');
  });

  test('each tick waits for its own barrier; the order of a connection stays', async () => {
    const server = serve();
    const client = await open(server.listen());
    let held = 0;
    for (const [barrier, text] of [
      [1, 'one.'],
      [2, 'two.'],
      [2, 'also two.'],
      [0, 'none.'],
      [7, 'seven.'],
    ] as const) {
      server.barrier = barrier;
      client.send(text);
      held += text.length;
      await reached(() => pending(server) === held);
    }
    server.transport.release(1);
    await client.expect('one.');
    server.transport.release(3);
    await client.expect('two.also two.none.');
    expect(pending(server)).toBe('seven.'.length);
    server.transport.release(Number.POSITIVE_INFINITY);
    await client.expect('seven.');
  });

  test('a connection without held replies is not held up by others', async () => {
    const server = serve();
    const port = server.listen();
    const [first, second] = [await open(port), await open(port)];
    server.barrier = 9;
    first.send('held');
    await reached(() => pending(server) === 4);
    server.barrier = 0;
    second.send('free');
    await second.expect('free');
    expect(first.received).toBe('');
    server.transport.release(9);
    await first.expect('held');
  });

  test('release within a tick takes effect in that tick, before its own replies', async () => {
    const server = serve();
    const client = await open(server.listen());
    server.barrier = 3;
    client.send('first.');
    await reached(() => pending(server) === 6);
    server.beforeRows = () => server.transport.release(3);
    client.send('second.');
    await client.expect('first.second.');
    expect(pending(server)).toBe(0);
  });

  test('links are not held', async () => {
    const server = serve();
    const link = await open(server.listen(1));
    server.barrier = 100;
    link.send('heartbeat');
    await link.expect('heartbeat');
  });

  test('many connections held and released in order', async () => {
    const server = serve(lines, { connectionsMax: 300 });
    const port = server.listen();
    const all = await Promise.all(Array.from({ length: 300 }, () => open(port)));
    server.barrier = 1;
    let expected = 0;
    for (let round = 1; round <= 3; round++) {
      server.barrier = round;
      for (const client of all) client.send(`round ${round}\n`);
      expected += 300 * 8;
      await reached(() => pending(server) === expected);
    }
    for (let round = 1; round <= 3; round++) {
      server.transport.release(round);
      await Promise.all(all.map((client) => client.expect(`round ${round}\n`)));
    }
  });
});

describe('slow readers', () => {
  const high = 256 << 10;

  test('a connection whose output is not read is not read from, and then goes on', async () => {
    const block = 'r'.repeat(16 << 10);
    const server = serve(
      (row, self) => {
        for (let i = 0; i < row.length; i++) self.reply(row.connection, block);
        return undefined;
      },
      { pendingHighBytes: high, readBytesMax: 16 },
    );
    const client = await open(server.listen());
    const other = await open(server.listen());
    client.socket.pause();
    const requests = 2000;
    client.send('q'.repeat(requests));
    await reached(() => pending(server) >= high);
    const stuck = pending(server);
    other.send('q');
    await other.expect(block);
    await rests(server);
    expect(pending(server)).toBe(stuck);
    expect(stuck).toBeLessThan(high + 16 * block.length);
    client.socket.resume();
    await client.expect(block.repeat(requests));
    expect(pending(server)).toBe(0);
  });

  test('held replies count as pending too', async () => {
    const server = serve(echo, { pendingHighBytes: 1000, readBytesMax: 100 });
    const client = await open(server.listen());
    server.barrier = 1;
    client.send('x'.repeat(5000));
    await reached(() => pending(server) >= 1000);
    await rests(server);
    expect(pending(server)).toBe(1000);
    server.barrier = 0;
    server.transport.release(1);
    await client.expect('x'.repeat(5000));
  });

  test('AGAIN waits for output to be read, without turning', async () => {
    const server = serve(
      (row, self) => {
        self.reply(row.connection, 'r'.repeat(1000));
        return { consumed: 1, next: Next.AGAIN };
      },
      { pendingHighBytes: 3000 },
    );
    const client = await open(server.listen());
    server.barrier = 1;
    client.send('12345678');
    await reached(() => pending(server) === 3000);
    client.send('more');
    await rests(server);
    expect(pending(server)).toBe(3000);
    server.transport.release(1);
    server.barrier = 0;
    await client.expect('r'.repeat(12_000));
  });

  test('a slow reader that resets is dropped with its output', async () => {
    const server = serve((row, self) => {
      self.reply(row.connection, 'r'.repeat(1 << 20));
      return undefined;
    });
    const client = await open(server.listen());
    client.socket.pause();
    for (let i = 0; pending(server) < 1 << 20; i++) {
      client.send('x');
      await reached(() => server.of(EventKind.DATA).length > i);
    }
    client.socket.resetAndDestroy();
    await reached(() => server.of(EventKind.CLOSED).length === 1);
    expect(server.of(EventKind.CLOSED)[0]!.length).toBeGreaterThan(0);
    expect(pending(server)).toBe(0);
  });

  test('send queues what the socket does not take, and says how much', async () => {
    const server = serve();
    const link = await open(server.listen(1));
    await reached(() => server.of(EventKind.OPENED).length === 1);
    link.socket.pause();
    const bytes = Buffer.alloc(1 << 20, 'abcdefg');
    let sent = 0;
    let unsent = 0;
    while (unsent < 1 << 20) {
      unsent = server.transport.send(0, bytes, 0, bytes.length);
      sent += bytes.length;
    }
    expect(server.transport.counters[10]).toBe(unsent);
    expect(server.transport.describe(0)!.pendingBytes).toBe(unsent);
    link.send('still read from');
    await reached(() => server.of(EventKind.DATA).length === 1);
    link.socket.resume();
    await link.expect(`${bytes.toString('latin1').repeat(sent / bytes.length)}still read from`);
    expect(server.transport.counters[10]).toBe(0);
  });
});

describe('references', () => {
  const size = 4 << 20;

  function memory(): ArrayBuffer {
    const buffer = new ArrayBuffer(size);
    const words = new Uint32Array(buffer);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
    return buffer;
  }

  test('are sent from where they are, between copies, and released once', async () => {
    const bytes = memory();
    const server = serve((row, self) => {
      self.reply(row.connection, 'VALUE ');
      self.refer(row.connection, buffer, 100, 1000, 7);
      self.reply(row.connection, ' END');
      return undefined;
    });
    const buffer = server.transport.register(bytes);
    const client = await open(server.listen());
    client.send('get');
    const text = Buffer.from(bytes, 100, 1000).toString('latin1');
    await client.expect(`VALUE ${text} END`);
    await reached(() => server.released().length === 1);
    expect(server.released()).toEqual([7]);
    expect(server.of(EventKind.RELEASED)[0]!.tick).toBeGreaterThan(
      server.of(EventKind.DATA)[0]!.tick,
    );
  });

  test('larger than a socket takes: released when the last byte is sent', async () => {
    const bytes = memory();
    const server = serve((row, self) => {
      for (const token of [1, 2, 3]) self.refer(row.connection, buffer, 0, size, token);
      return undefined;
    });
    const buffer = server.transport.register(bytes);
    const client = await open(server.listen());
    client.socket.pause();
    client.send('get');
    await reached(() => server.of(EventKind.DATA).length === 1);
    expect(pending(server)).toBeGreaterThan(0);
    expect(server.released()).not.toContain(3);
    client.socket.resume();
    await client.expect(Buffer.from(bytes).toString('latin1').repeat(3));
    await reached(() => server.released().length === 3);
    expect(server.released()).toEqual([1, 2, 3]);
  });

  test('wait for barriers, and are given up when the connection dies', async () => {
    const server = serve((row, self) => {
      self.refer(row.connection, buffer, 0, 10, row.text.charCodeAt(0));
      return undefined;
    });
    const buffer = server.transport.register(memory());
    const port = server.listen();
    const [first, second] = [await open(port), await open(port)];
    server.barrier = 1;
    first.send('a');
    second.send('b');
    await reached(() => pending(server) === 20);
    expect(server.released()).toEqual([]);
    first.socket.resetAndDestroy();
    await reached(() => server.released().length === 1);
    expect(server.released()).toEqual([97]);
    server.transport.release(1);
    await reached(() => server.released().length === 2);
    expect(second.received.length).toBe(10);
  });

  test('rows for a dead connection are dropped, their references released', async () => {
    const server = serve((row, self) => {
      self.transport.close(row.connection, false);
      self.reply(row.connection, 'lost');
      self.refer(row.connection, buffer, 0, 10, 3);
      return undefined;
    });
    const buffer = server.transport.register(memory());
    const client = await open(server.listen());
    client.send('x');
    await reached(() => server.released().length === 1 && client.closed);
    expect(client.received).toBe('');
  });

  test('released while paused', async () => {
    const server = serve((row, self) => {
      self.refer(row.connection, buffer, 0, 10, 3);
      self.transport.pause(true);
      return undefined;
    });
    const buffer = server.transport.register(memory());
    const client = await open(server.listen());
    client.send('x');
    await reached(() => server.released().length === 1);
  });
});

describe('close with flush', () => {
  test('sends what is pending, this tick too, although the peer goes on sending', async () => {
    const block = 'z'.repeat(1 << 20);
    const server = serve((row, self) => {
      self.reply(row.connection, 'last.');
      self.transport.close(row.connection, true);
      self.reply(row.connection, 'really last.');
      return undefined;
    });
    const client = await open(server.listen());
    client.send('x');
    for (let i = 0; i < 8; i++) client.send(block);
    await reached(() => client.ended);
    await client.expect('last.really last.');
    expect(client.error).toBeNull();
    await reached(() => client.closed);
    expect(server.of(EventKind.CLOSED)).toEqual([]);
    expect(server.transport.counters[4]).toBe(0);
  });

  test('held replies leave first, then it closes', async () => {
    const server = serve();
    const client = await open(server.listen());
    server.barrier = 1;
    client.send('held');
    await reached(() => pending(server) === 4);
    server.transport.close(0, true);
    expect(server.transport.describe(0)).toBeNull();
    server.transport.release(1);
    await client.expect('held');
    await reached(() => client.closed);
  });

  test('a slow reader gets all of it, and its slot is free again', async () => {
    const block = 'z'.repeat(1 << 20);
    const server = serve(
      (row, self) => {
        for (let i = 0; i < 8; i++) self.reply(row.connection, block);
        self.transport.close(row.connection, true);
        return undefined;
      },
      { connectionsMax: 1, outputBytes: 16 << 20 },
    );
    server.transport.limit(10, '');
    const port = server.listen();
    const client = await open(port);
    client.socket.pause();
    client.send('x');
    await reached(() => pending(server) > 0);
    client.socket.resume();
    await client.expect(block.repeat(8));
    await reached(() => client.closed);
    await open(port);
    await reached(() => server.of(EventKind.OPENED).length === 2);
  });

  test('sweep ends one whose peer does not read or does not close', async () => {
    const server = serve();
    const port = server.listen();
    const silent = await open(port, { allowHalfOpen: true });
    const held = await open(port);
    server.barrier = 1;
    held.send('x');
    await reached(() => server.of(EventKind.OPENED).length === 2 && pending(server) === 1);
    for (const row of server.of(EventKind.OPENED)) server.transport.close(row.connection, true);
    await reached(() => silent.ended);
    server.transport.sweep(60_000);
    expect(held.closed).toBe(false);
    server.transport.sweep(0);
    expect(pending(server)).toBe(0);
    await reached(() => held.closed);
    expect(held.received).toBe('');
  });

  test.each([true, false])(
    'EOF after pipelined requests with held replies (unix: %s)',
    async () => {
      const server = serve(lines);
      const client = await open(server.listen(), { allowHalfOpen: true });
      server.barrier = 1;
      client.socket.end('a\nb\nc\n');
      await reached(() => server.of(EventKind.CLOSED).length === 1);
      expect(pending(server)).toBe(6);
      expect(client.received).toBe('');
      server.transport.release(1);
      await client.expect('a\nb\nc\n');
      await reached(() => client.ended);
    },
  );
});
