/** Connections and input: what the transport delivers, when, and to whom. Output has its own file. */
import { describe, expect, test } from '@jest/globals';
import { EventKind, failed, Next } from '../../src/native/addon.js';
import { type Handler, lines, must, open, reached, rests, serve } from '../support/tickserver.js';

describe('echo', () => {
  test('a reply comes back', async () => {
    const server = serve();
    const client = await open(server.listen());
    client.send('hello');
    await client.expect('hello');
    expect(server.rows[0]).toMatchObject({ kind: EventKind.OPENED, offset: 0, group: 0 });
    expect(server.rows[1]).toMatchObject({ kind: EventKind.DATA, text: 'hello', filled: 0 });
    expect(server.rows[1]!.tick).toBeGreaterThan(server.rows[0]!.tick);
    expect([...server.transport.counters.subarray(1, 5)]).toEqual([5, 5, 0, 1]);
  });

  test('byte by byte, unconsumed bytes come again with the next', async () => {
    const server = serve(lines);
    const client = await open(server.listen());
    const text = 'one\ntwo\r\n';
    for (let i = 0; i < text.length; i++) {
      const seen = server.of(EventKind.DATA).length;
      client.send(text[i]!);
      await reached(() => server.of(EventKind.DATA).length > seen);
    }
    await client.expect(text);
    const rows = server.of(EventKind.DATA).map((row) => row.text);
    expect(rows.slice(0, 5)).toEqual(['o', 'on', 'one', 'one\n', 't']);
  });

  test('2,000 connections', async () => {
    const server = serve(lines, { connectionsMax: 2000 });
    const port = server.listen();
    const all = await Promise.all(Array.from({ length: 2000 }, () => open(port)));
    await reached(() => server.transport.counters[4] === 2000);
    for (let round = 0; round < 3; round++) {
      all.forEach((client, i) => {
        client.send(`${i} in round ${round}\n`);
      });
      await Promise.all(all.map((client, i) => client.expect(`${i} in round ${round}\n`)));
    }
    for (const client of all) client.socket.destroy();
    await reached(() => server.of(EventKind.CLOSED).length === 2000);
    expect(server.transport.counters[4]).toBe(0);
    expect(server.transport.counters[3]).toBe(0);
  });

  test('more ready connections than rows and input bytes: all are served in turn', async () => {
    const options = { connectionsMax: 100, eventsMax: 4, inputBytes: 2048, readBytesMax: 1000 };
    const server = serve(lines, options);
    const port = server.listen();
    const all = await Promise.all(Array.from({ length: 100 }, () => open(port)));
    const line = `${'x'.repeat(1500)}\n`;
    for (const client of all) client.send(line);
    await Promise.all(all.map((client) => client.expect(line)));
  });

  test('unconsumed bytes beyond the limit break the connection', async () => {
    const server = serve(() => ({ consumed: 0 }), { readBytesMax: 1000 });
    const client = await open(server.listen());
    client.send('x'.repeat(5000));
    await reached(() => server.of(EventKind.CLOSED).length === 1);
    expect(server.of(EventKind.DATA).at(-1)!.length).toBe(2000);
    expect(server.of(EventKind.CLOSED)[0]!.length).toBe(90); // EMSGSIZE
    await reached(() => client.closed);
  });
});

describe('sink and skip', () => {
  /** "N:" announces N bytes that go to the sink (or nowhere); anything else is echoed. */
  function sinking(memory: ArrayBuffer, how: 'sink' | 'skip'): Handler {
    let buffer = -1;
    return (row, server) => {
      if (buffer < 0) buffer = server.transport.register(memory);
      if (row.filled === 1) server.reply(row.connection, 'filled.');
      const colon = row.text.indexOf(':');
      if (colon < 0) {
        if (row.length > 0) server.reply(row.connection, row.text);
        return undefined;
      }
      const length = Number(row.text.slice(0, colon));
      if (how === 'sink') server.transport.sink(row.connection, buffer, 16, length);
      else server.transport.skip(row.connection, length);
      return { consumed: colon + 1 };
    };
  }

  test.each(['sink', 'skip'] as const)('%s takes what follows, then data goes on', async (how) => {
    const memory = new ArrayBuffer(2 << 20);
    const server = serve(sinking(memory, how));
    const client = await open(server.listen());
    for (const length of [1, 100, 300_000, 1_500_000]) {
      const value = Buffer.alloc(length, `value of ${length} `);
      client.send(`${length}:`);
      await reached(() => server.of(EventKind.DATA).at(-1)?.text === `${length}:`);
      client.send(value);
      client.send('after');
      await client.expect('filled.after');
      const got = Buffer.from(memory, 16, length);
      expect(got.equals(value)).toBe(how === 'sink');
    }
  });

  test('a large value whose bytes trickle in is filled by the last of them, and no earlier', async () => {
    const memory = new ArrayBuffer(1 << 20);
    const server = serve(sinking(memory, 'sink'));
    const client = await open(server.listen());
    const value = Buffer.alloc(600_000, 'trickling ');
    client.send(`${value.length}:`);
    await reached(() => server.of(EventKind.DATA).length === 1);
    let sent = 0;
    for (const end of [1, 40_000, 570_000, value.length - 1]) {
      client.send(value.subarray(sent, end));
      await reached(() => client.socket.writableLength === 0);
      sent = end;
    }
    expect(server.of(EventKind.DATA)).toHaveLength(1);
    client.send(value.subarray(sent));
    await client.expect('filled.');
    expect(Buffer.from(memory, 16, value.length).equals(value)).toBe(true);
    client.send('x');
    await client.expect('x');
  });

  test('a peer that ends in the middle of a large value is CLOSED', async () => {
    const server = serve(sinking(new ArrayBuffer(1 << 20), 'sink'));
    const client = await open(server.listen());
    client.send('600000:');
    await reached(() => server.of(EventKind.DATA).length === 1);
    client.send(Buffer.alloc(100_000));
    client.socket.end();
    await reached(() => server.of(EventKind.CLOSED).length === 1);
  });

  test('bytes that came in one piece with the announcement go to the sink first', async () => {
    const memory = new ArrayBuffer(64);
    const server = serve(sinking(memory, 'sink'));
    const client = await open(server.listen());
    client.send('5:12345after');
    await client.expect('filled.after');
    expect(Buffer.from(memory, 16, 5).toString()).toBe('12345');
    client.send('0:x');
    await client.expect('filled.x');
  });

  test('a filled sink without following bytes has a row of length 0', async () => {
    const server = serve(sinking(new ArrayBuffer(64), 'sink'));
    const client = await open(server.listen());
    client.send('3:');
    await reached(() => server.of(EventKind.DATA).length === 1);
    client.send('abc');
    await client.expect('filled.');
    expect(server.of(EventKind.DATA).at(-1)).toMatchObject({ filled: 1, length: 0 });
  });

  test('sinkBytesPerTick bounds what completes in one tick', async () => {
    const length = 10_000;
    const server = serve(sinking(new ArrayBuffer(1 << 20), 'sink'), { sinkBytesPerTick: 25_000 });
    const port = server.listen();
    const all = await Promise.all(Array.from({ length: 20 }, () => open(port)));
    for (const client of all) client.send(`${length}:`);
    await reached(() => server.of(EventKind.DATA).length === 20);
    for (const client of all) client.send('v'.repeat(length));
    await Promise.all(all.map((client) => client.expect('filled.')));
    const perTick = new Map<number, number>();
    for (const row of server.rows) {
      if (row.filled === 1) perTick.set(row.tick, (perTick.get(row.tick) ?? 0) + 1);
    }
    expect(Math.max(...perTick.values())).toBeLessThanOrEqual(2);
  });
});

describe('AGAIN', () => {
  test('unconsumed bytes come again in a later tick, without new ones', async () => {
    const server = serve((row, self) => {
      self.reply(row.connection, row.text.slice(0, 2));
      return { consumed: Math.min(2, row.length), next: Next.AGAIN };
    });
    const client = await open(server.listen());
    client.send('abcdefg');
    await client.expect('abcdefg');
    const rows = server.of(EventKind.DATA);
    expect(rows.map((row) => row.text)).toEqual(['abcdefg', 'cdefg', 'efg', 'g']);
    expect(new Set(rows.map((row) => row.tick)).size).toBe(4);
  });

  test('nothing is read for a connection while it waits for AGAIN', async () => {
    let held = true;
    const server = serve((row, self) => {
      if (held) return { consumed: 0, next: Next.AGAIN };
      self.reply(row.connection, row.text);
      return undefined;
    });
    const client = await open(server.listen());
    client.send('first');
    await reached(() => server.of(EventKind.DATA).length > 20);
    client.send('second');
    const seen = server.of(EventKind.DATA).length;
    await reached(() => server.of(EventKind.DATA).length > seen + 20);
    expect(server.of(EventKind.DATA).at(-1)!.text).toBe('first');
    held = false;
    await client.expect('firstsecond');
  });

  test('timers run while a connection asks again and again', async () => {
    const server = serve(() => ({ consumed: 0, next: Next.AGAIN }));
    const client = await open(server.listen());
    client.send('x');
    let fired = 0;
    for (let n = 0; n < 10; n++) setTimeout(() => fired++, n);
    await reached(() => fired === 10 && server.of(EventKind.DATA).length > 100);
    await expect(rests(server)).rejects.toThrow('busy');
  });
});

describe('ends', () => {
  test('data comes before CLOSED, and a half-closed peer still gets its replies', async () => {
    const server = serve(lines);
    const client = await open(server.listen(), { allowHalfOpen: true });
    client.socket.end('last words\n');
    await reached(() => client.closed || client.ended);
    await client.expect('last words\n');
    const kinds = server.rows.map((row) => row.kind);
    expect(kinds).toEqual([EventKind.OPENED, EventKind.DATA, EventKind.CLOSED]);
    expect(server.rows[2]!.length).toBe(0);
  });

  test('replies made in the tick of CLOSED are still sent', async () => {
    const server = serve(lines);
    const client = await open(server.listen(), { allowHalfOpen: true });
    await reached(() => server.of(EventKind.OPENED).length === 1);
    const id = server.rows[0]!.connection;
    server.beforeRows = () => server.reply(id, 'bye');
    client.socket.end();
    await reached(() => client.ended);
    await client.expect('bye');
  });

  test('a reset is CLOSED with its errno', async () => {
    const server = serve();
    const client = await open(server.listen());
    await reached(() => server.of(EventKind.OPENED).length === 1);
    client.socket.resetAndDestroy();
    await reached(() => server.of(EventKind.CLOSED).length === 1);
    expect(server.of(EventKind.CLOSED)[0]!.length).toBe(104); // ECONNRESET
    expect(server.transport.describe(server.rows[0]!.connection)).toBeNull();
    expect(server.transport.send(server.rows[0]!.connection, new Uint8Array(1), 0, 1)).toBe(-1);
  });

  test('close without flush ends it at once, without an event; the id is used again', async () => {
    const server = serve((row, self) => {
      self.reply(row.connection, 'never sent');
      self.transport.close(row.connection, false);
      return undefined;
    });
    const port = server.listen();
    const client = await open(port);
    client.send('x');
    await reached(() => client.closed);
    expect(client.received).toBe('');
    const second = await open(port);
    await reached(() => server.of(EventKind.OPENED).length === 2);
    const [first, other] = server.of(EventKind.OPENED);
    expect(other!.connection).toBe(first!.connection);
    expect(server.of(EventKind.CLOSED)).toEqual([]);
    second.socket.destroy();
  });

  test('destroy within a tick', async () => {
    const server = serve((_row, self) => {
      self.transport.destroy();
      return undefined;
    });
    const client = await open(server.listen());
    client.send('x');
    await reached(() => client.closed);
    expect(server.transport.describe(0)).toBeNull();
    expect(
      failed(
        server.transport.listen({
          host: '127.0.0.1',
          port: 0,
          path: null,
          mode: 0,
          backlog: 1,
          group: 0,
        }),
      ),
    ).toBe(true);
  });
});

describe('pause', () => {
  test('nothing of clients is delivered, links go on, and nothing spins', async () => {
    const server = serve();
    const client = await open(server.listen());
    const link = await open(server.listen(1));
    client.send('a');
    await client.expect('a');
    server.transport.pause(true);
    client.send('b');
    link.send('c');
    await link.expect('c');
    link.send('d');
    await link.expect('d');
    expect(server.of(EventKind.DATA).map((row) => row.text)).toEqual(['a', 'c', 'd']);
    await rests(server);
    server.transport.pause(false);
    await client.expect('b');
  });

  test('connections that come while paused wait', async () => {
    const server = serve();
    const port = server.listen();
    server.transport.pause(true);
    const client = await open(port);
    client.send('x');
    const link = await open(server.listen(1));
    link.send('y');
    await link.expect('y');
    expect(server.transport.counters[4]).toBe(0);
    server.transport.pause(false);
    await client.expect('x');
  });
});

describe('links', () => {
  test('links are gathered first', async () => {
    const server = serve(() => undefined);
    const client = await open(server.listen());
    const link = await open(server.listen(1));
    await reached(() => server.of(EventKind.OPENED).length === 2);
    // Both are ready before the loop looks: what TypeScript sees is the order of the rows.
    const seen = server.rows.length;
    await Promise.all([
      new Promise((resolve) => client.socket.write('client', resolve)),
      new Promise((resolve) => link.socket.write('link', resolve)),
    ]);
    await reached(() => server.rows.length === seen + 2);
    const [first, second] = server.rows.slice(seen);
    if (first!.tick === second!.tick) expect(first!.group).toBe(1);
  });

  test('connect, send, and be answered', async () => {
    const server = serve();
    const port = server.listen();
    const answers: string[] = [];
    const caller = serve((row) => {
      answers.push(row.text);
      return undefined;
    });
    const id = must(caller.transport.connect('127.0.0.1', port, 1));
    await reached(() => caller.of(EventKind.CONNECTED).length === 1);
    expect(caller.rows[0]).toMatchObject({ connection: id, length: 0, group: 1 });
    expect(caller.transport.describe(id)).toMatchObject({
      address: `tcp:127.0.0.1:${port}`,
      listenAddress: expect.stringMatching(/^tcp:127\.0\.0\.1:\d+$/),
      pendingBytes: 0,
    });
    expect(caller.transport.send(id, Buffer.from('..hello'), 2, 5)).toBe(0);
    await reached(() => answers.join('') === 'hello');
  });

  test('connect refused is CONNECTED with its errno', async () => {
    const server = serve();
    const port = server.listen();
    server.transport.closeListener(0);
    const id = must(server.transport.connect('127.0.0.1', port, 1));
    await reached(() => server.of(EventKind.CONNECTED).length === 1);
    expect(server.rows[0]).toMatchObject({ connection: id, length: 111 }); // ECONNREFUSED
    const unix = must(server.transport.connect('/nonexistent/socket', -1, 1));
    await reached(() => server.of(EventKind.CONNECTED).length === 2);
    expect(server.rows[1]).toMatchObject({ connection: unix, length: 2 }); // ENOENT
  });
});

// A node that is deposed while it commits a tick gives its region up before that tick's replies leave.
test('rows into memory that is forgotten in their own tick leave no more', async () => {
  const server = serve((row, self) => {
    self.refer(row.connection, buffer, 0, 10, 3);
    self.transport.close(row.connection, true);
    self.transport.sweep(0);
    self.transport.unregister(buffer);
    return undefined;
  });
  const buffer = server.transport.register(new ArrayBuffer(4096));
  const client = await open(server.listen());
  client.send('quit');
  await reached(() => server.released().length === 1 && client.closed);
  expect(client.received).toBe('');
});
