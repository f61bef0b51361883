/** Listeners: addresses, unix sockets, limits, and what happens when descriptors or slots run out. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EventKind, type ListenOptions } from '../../src/native/addon.js';
import { type Handler, must, open, reached, rests, serve } from '../support/tickserver.js';

const tcp: ListenOptions = {
  host: '127.0.0.1',
  port: 0,
  path: null,
  mode: 0o600,
  backlog: 100,
  group: 0,
};

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-listen-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('tcp', () => {
  test('a port in use is EADDRINUSE', () => {
    const server = serve();
    const port = server.listen();
    const again = serve().transport.listen({ ...tcp, port });
    expect(again).toEqual({ error: 'EADDRINUSE', call: 'bind' });
  });

  test('a host that is no address is EINVAL', () => {
    const result = serve().transport.listen({ ...tcp, host: 'localhost' });
    expect(result).toEqual({ error: 'EINVAL', call: 'address' });
  });

  test('IPv6 stands beside IPv4 on one port', async () => {
    const server = serve();
    const port = server.listen();
    const six = must(server.transport.listen({ ...tcp, host: '::', port }));
    expect(server.transport.listenerPort(six)).toBe(port);
    const socket = net.connect(port, '::1');
    await reached(() => server.of(EventKind.OPENED).length === 1);
    const row = server.of(EventKind.OPENED)[0]!;
    expect(row.offset).toBe(six);
    expect(server.transport.describe(row.connection)!.address).toBe(
      `tcp6:[::1]:${socket.localPort}`,
    );
    socket.destroy();
  });

  test('closeListener refuses new connections and keeps the old', async () => {
    const server = serve();
    const port = server.listen();
    const client = await open(port);
    await reached(() => server.of(EventKind.OPENED).length === 1);
    server.transport.closeListener(0);
    await expect(open(port)).rejects.toThrow('ECONNREFUSED');
    client.send('x');
    await client.expect('x');
    must(server.transport.listen({ ...tcp, port }));
  });
});

describe('the number of a listener', () => {
  test('is given again when it is closed: a node that changes its role a thousand times knows one', () => {
    const { transport } = serve();
    const kept = must(transport.listen(tcp));
    for (let i = 0; i < 1000; i++) {
      const listener = must(transport.listen(tcp));
      expect(listener).toBe(kept + 1);
      transport.closeListener(listener);
    }
    expect(transport.listenerPort(kept)).toBeGreaterThan(0);
  });

  test('is not given again in the tick in which it was closed: rows may still name it', async () => {
    const server = serve();
    const port = server.listen();
    const given: number[] = [];
    server.handler = () => {
      server.transport.closeListener(0);
      given.push(must(server.transport.listen({ ...tcp, port })));
      return undefined;
    };
    const client = await open(port);
    client.send('x');
    await reached(() => given.length === 1);
    expect(given).toEqual([1]);
    expect(server.transport.listenerPort(1)).toBe(port);
    expect(must(server.transport.listen(tcp))).toBe(0);
  });
});

describe('unix', () => {
  const unix = (name: string): ListenOptions => ({ ...tcp, path: join(folder, name) });

  test('serves with the mode asked for, whatever the umask, and removes its file', async () => {
    const server = serve();
    const umask = process.umask(0o077);
    const listener = must(server.transport.listen({ ...unix('a'), mode: 0o666 }));
    process.umask(umask);
    const path = join(folder, 'a');
    expect(statSync(path).mode & 0o777).toBe(0o666);
    expect(server.transport.listenerPort(listener)).toBe(0);
    const client = await open(path);
    client.send('x');
    await client.expect('x');
    expect(server.transport.describe(0)!.address).toBe(`unix:${path}`);
    const id = must(server.transport.connect(path, -1, 1));
    await reached(() => server.of(EventKind.CONNECTED).length === 1);
    expect(server.transport.describe(id)!.address).toBe(`unix:${path}`);
    server.transport.closeListener(listener);
    expect(existsSync(path)).toBe(false);
  });

  test('a live socket is EADDRINUSE, a stale one is replaced, another file is left alone', async () => {
    const path = join(folder, 'a');
    const script = `require('net').createServer().listen(${JSON.stringify(path)},
      () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(path)).toBe(true);
    const server = serve();
    must(server.transport.listen(unix('a')));
    expect(server.transport.listen(unix('a'))).toEqual({ error: 'EADDRINUSE', call: 'bind' });
    writeFileSync(join(folder, 'file'), 'precious');
    expect(server.transport.listen(unix('file'))).toEqual({ error: 'EADDRINUSE', call: 'bind' });
    const client = await open(path);
    client.send('x');
    await client.expect('x');
  });

  test("a file that became another server's is not removed", () => {
    const path = join(folder, 'a');
    const [old, successor] = [serve(), serve()];
    must(old.transport.listen(unix('a')));
    rmSync(path);
    must(successor.transport.listen(unix('a')));
    old.transport.destroy();
    expect(existsSync(path)).toBe(true);
  });

  test('a path that is too long says so', () => {
    const result = serve().transport.listen(unix('x'.repeat(200)));
    expect(result).toEqual({ error: 'ENAMETOOLONG', call: 'address' });
  });

  test('a peer that is gone does not keep the loop busy while its replies are held', async () => {
    const server = serve();
    must(server.transport.listen(unix('a')));
    const client = await open(join(folder, 'a'));
    server.barrier = 1;
    client.send('x');
    await reached(() => server.transport.counters[3] === 1);
    client.socket.destroy();
    await reached(() => server.of(EventKind.CLOSED).length === 1);
    await rests(server);
    server.transport.release(1);
    expect(server.transport.counters[3]).toBe(0);
  });
});

describe('limits', () => {
  test('one connection too many reads the refusal and is closed', async () => {
    const server = serve();
    const port = server.listen();
    server.transport.limit(2, 'ERROR Too many open connections\r\n');
    const first = await open(port);
    const second = await open(port);
    await reached(() => server.transport.counters[4] === 2);
    const third = await open(port);
    await reached(() => third.closed);
    expect(third.received).toBe('ERROR Too many open connections\r\n');
    expect(server.transport.counters[5]).toBe(1);
    const link = await open(server.listen(1));
    link.send('x');
    await link.expect('x');
    first.socket.destroy();
    await reached(() => server.transport.counters[4] === 1);
    const fourth = await open(port);
    fourth.send('x');
    await fourth.expect('x');
    expect(second.closed).toBe(false);
  });

  test('one connection too many waits when there is no refusal, and links do not', async () => {
    const server = serve();
    const port = server.listen();
    const linkPort = server.listen(1);
    server.transport.limit(2, '');
    const [first] = [await open(port), await open(port)];
    await reached(() => server.transport.counters[4] === 2);
    const third = await open(port);
    third.send('x');
    await reached(() => server.transport.counters[9] === 1);
    await rests(server);
    const link = await open(linkPort);
    link.send('y');
    await link.expect('y');
    expect(third.received).toBe('');
    expect(server.transport.counters[5]).toBe(0);
    first!.socket.destroy();
    await third.expect('x');
    expect(server.transport.counters[8]).toBeGreaterThan(0);
    // The next one waits again.
    const fourth = await open(port);
    await reached(() => server.transport.counters[9] === 2);
    third.socket.destroy();
    fourth.send('z');
    await fourth.expect('z');
  });

  test('without slots, listeners rest until a connection closes', async () => {
    const server = serve(undefined, { connectionsMax: 2 });
    const port = server.listen();
    server.transport.limit(100, '');
    const [first] = [await open(port), await open(port)];
    const third = await open(port);
    third.send('x');
    await reached(() => server.transport.counters[9] === 1);
    await rests(server);
    expect(server.transport.connect('127.0.0.1', port, 1)).toEqual({
      error: 'ENOBUFS',
      call: 'connect',
    });
    first!.socket.destroy();
    await third.expect('x');
    expect(server.transport.counters[8]).toBeGreaterThan(0);
  });

  test('clients that do not close make room for who comes, and never keep a link out', async () => {
    const byes: Handler = (row, ticking) => {
      ticking.reply(row.connection, row.text === 'bye' ? 'good' : row.text);
      if (row.text === 'bye') ticking.transport.close(row.connection, true);
      return undefined;
    };
    const server = serve(byes, { connectionsMax: 4 });
    const port = server.listen();
    const linkPort = server.listen(1);
    server.transport.limit(2, '');
    // All were sent what they were owed, and stay.
    for (let i = 0; i < 6; i++) {
      const client = await open(port, { allowHalfOpen: true });
      client.send('bye');
      await client.expect('good');
    }
    const [first, second] = [await open(port), await open(port)];
    first.send('x');
    second.send('y');
    await first.expect('x');
    await second.expect('y');
    const third = await open(port);
    const link = await open(linkPort);
    link.send('z');
    await link.expect('z');
    expect(third.received).toBe('');
  });

  test('without descriptors, listeners rest until one comes free', () => {
    // In a process of its own, whose limit may be lowered.
    const script = `
      const { native } = require(${JSON.stringify(join(__dirname, '../../src/native/addon.js'))});
      const fs = require('node:fs');
      const t = native.transportCreate({ inputBytes: 1e5, outputBytes: 1e5, eventsMax: 100, repliesMax: 100,
        connectionsMax: 100, readBytesMax: 1e4, pendingHighBytes: 1e5, sinkBytesPerTick: 1e5 }, tick);
      const events = new Int32Array(t.events);
      let opened = 0;
      function tick(rows) {
        for (let i = 0; i < rows; i++) if (events[8 * i] === 1) opened++;
        return 0;
      }
      t.listen({ host: '127.0.0.1', port: 0, path: null, mode: 0, backlog: 10, group: 0 });
      const files = [];
      try { for (;;) files.push(fs.openSync('/dev/null')); } catch {}
      // One for the client, none for the other side.
      fs.closeSync(files.pop());
      t.connect('127.0.0.1', t.listenerPort(0), 1);
      setTimeout(function look() {
        if (t.counters[9] === 0) return setTimeout(look, 1);
        if (opened !== 0) process.exit(1);
        for (const file of files) fs.closeSync(file);
        t.sweep(0);
        setTimeout(function again() {
          if (opened === 0) return setTimeout(again, 1);
          t.destroy();
          console.log('done', t.counters[9]);
        }, 1);
      }, 1);`;
    const child = spawnSync('prlimit', ['--nofile=60:60', process.execPath, '-e', script], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect(child.stderr).toBe('');
    expect(child.stdout).toBe('done 1\n');
  });
});

describe('process', () => {
  const create = `
    const { native } = require(${JSON.stringify(join(__dirname, '../../src/native/addon.js'))});
    const create = (tick) => native.transportCreate({ inputBytes: 1e5, outputBytes: 1e5, eventsMax: 100,
      repliesMax: 100, connectionsMax: 100, readBytesMax: 1e4, pendingHighBytes: 1e5, sinkBytesPerTick: 1e5 }, tick);
    const any = { host: '127.0.0.1', port: 0, path: null, mode: 0, backlog: 10, group: 0 };`;
  const run = (script: string) => {
    const child = spawnSync(process.execPath, ['-e', create + script], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    return { status: child.status, stdout: child.stdout, stderr: child.stderr };
  };

  test('ends by itself without listeners and connections, and after destroy', () => {
    expect(run('create(() => 0)')).toEqual({ status: 0, stdout: '', stderr: '' });
    const script = 'const t = create(() => 0); t.listen(any); setImmediate(() => t.destroy());';
    expect(run(script)).toEqual({ status: 0, stdout: '', stderr: '' });
    const exit = 'create(() => process.exit(3)).connect("127.0.0.1", 1, 0)';
    expect(run(exit).status).toBe(3);
  });

  test('an exception out of a tick is uncaught, and the transport stops', () => {
    const script = `
      const t = create(() => { throw new Error('broken tick'); });
      process.on('uncaughtException', (error) => console.log(error.message));
      t.listen(any);
      t.connect('127.0.0.1', t.listenerPort(0), 1);`;
    expect(run(script)).toEqual({ status: 0, stdout: 'broken tick\n', stderr: '' });
  });

  test('promises and nextTick started in a tick run before its replies leave', () => {
    const script = `
      const order = [];
      const t = create(() => {
        process.nextTick(() => order.push('nextTick'));
        Promise.resolve().then(() => { order.push('promise'); t.destroy(); });
        return 0;
      });
      t.connect('127.0.0.1', 1, 1);
      process.on('exit', () => console.log(order.join()));`;
    expect(run(script).stdout).toBe('nextTick,promise\n');
  });

  test('a worker can be ended with a transport in it', () => {
    const script = `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(create)} + \`
        create(() => 0).listen(any);
        native.regionOpen({ headBytes: 4096, pagesBytes: 4096, segmentBytes: 4096, file: null,
          discard: false, lockMemory: false, hugePages: false });
        require('node:worker_threads').parentPort.postMessage('up');\`, { eval: true });
      worker.on('message', () => worker.terminate().then(() => console.log('ended')));`;
    expect(run(script)).toEqual({ status: 0, stdout: 'ended\n', stderr: '' });
  });
});
