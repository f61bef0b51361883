/** Calls into the system on the way of a takeover may fail: the takeover goes on. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { gone, hotspare, main, patienceMs, said } from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';

/** Each makes a function of Node refuse from the start, as a system under a filter or a limit does. */
const refusals: Readonly<Record<string, string>> = {
  // RestrictAddressFamilies= without AF_NETLINK.
  'the addresses of the interfaces': `require('os').networkInterfaces = refuse;`,
  'a report to whoever started the node': `process.connected = true; process.send = refuse;`,
  // A full disk, and a /proc that may not be written.
  'what is written to files': `
    const fs = require('fs');
    for (const name of ['writeSync', 'renameSync']) fs[name] = refuse;`,
};

let folder = '';
let children: Child[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-refusing-'));
  writeFileSync(join(folder, 'secret'), 'the secret of both nodes\n', { mode: 0o600 });
});
afterEach(async () => {
  for (const child of children) await child.end();
  children = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The flag that has Node load the refusals first. */
function refusing(name: string): string[] {
  const file = join(folder, `${Object.keys(refusals).indexOf(name)}.cjs`);
  const refuse = `const refuse = () => { throw new Error('EAFNOSUPPORT: refused'); };\n`;
  writeFileSync(file, refuse + refusals[name]!);
  return ['--require', file];
}

describe.each(Object.keys(refusals))('a system that refuses %s', (name) => {
  test('stops no takeover', async () => {
    const [port, link, next] = [await freePort(), await freePort(), await freePort()];
    const times = ['--dead-after', '440', '--ack-timeout', '4000'];
    const secret = ['--secret-file', join(folder, 'secret')];
    const both = ['-p', String(port), '-l', '127.0.0.1', ...times, ...secret];
    const primary = await hotspare(...both, '-m', '8', '--link-listen', `0.0.0.0:${link}`);
    children.push(primary);
    await said(primary, /serving on/);
    const standby = await startChild(
      process.execPath,
      [
        ...[...refusing(name), main, 'standby', '--of', `127.0.0.1:${link}`],
        ...[...both, '--link-listen', `0.0.0.0:${next}`],
      ],
      { env: { MEMCACHED_PORT_FILENAME: join(folder, 'ports') } },
    );
    children.push(standby);
    await said(standby, /in sync/);
    const before = await Client.connect('127.0.0.1', port);
    await before.send('set k 0 0 1\r\nx\r\n');
    expect(await before.readLine()).toBe('STORED');
    primary.signal('SIGKILL');
    await gone(primary.pid);
    await said(standby, /serving on/);
    const after = await Client.connect('127.0.0.1', port);
    await after.send('get k\r\n');
    expect(await after.readLine()).toBe('VALUE k 0 1');
    after.close();
    before.close();
  });
});

test('doctor goes on without the addresses', async () => {
  const prefix = refusing('the addresses of the interfaces');
  const command = [...prefix, main, 'doctor', '--host', '203.0.113.77'];
  const { output } = await run(process.execPath, command, patienceMs);
  expect(output).toMatch(/huge pages/);
  expect(output).not.toMatch(/EAFNOSUPPORT/);
});
