/** Large values are mirrored in parts, as they arrive or are copied: what a takeover finds is whole. */
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';

const MiB = 2 ** 20;
const host = '127.0.0.1';
/** Silence is no death here: the primary's process ends. */
const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];

let nodes: Child[] = [];

afterEach(async () => {
  for (const node of nodes) await node.end();
  nodes = [];
});

test('after a takeover a value of many parts, and one that was added to, are whole', async () => {
  const [port, link] = [await freePort(), `${host}:${await freePort()}`];
  const at = ['-l', host, '-p', String(port), ...patient];
  const flags = ['--link-listen', link, '-m', '64', '-I', '16m'];
  const primary = await hotspare(...at, ...flags);
  nodes.push(primary);
  await said(primary, /serving on port/);
  const standby = await hotspare('standby', '--of', link, ...at);
  nodes.push(standby);
  await said(standby, /ready to take over/);
  const value = Array.from({ length: 2 * MiB + 13 }, (_, i) => String.fromCharCode(97 + (i % 23)));
  const text = value.join('');
  const client = await Client.connect(host, port);
  const stored = async (sent: string): Promise<void> => {
    await client.send(sent);
    expect(await client.readLine()).toBe('STORED');
  };
  await stored(`set large 7 0 ${text.length}\r\n${text}\r\n`);
  await stored(`set added 0 0 ${text.length}\r\n${text}\r\n`);
  await stored('append added 0 0 3\r\nend\r\n');
  await stored('prepend added 0 0 5\r\nbegin\r\n');
  const figures = await stats(port);
  expect(Number(figures.get('hotspare_tick_us_max'))).toBeGreaterThan(0);
  client.close();
  primary.signal('SIGKILL');
  await said(standby, /serving on port/);
  const after = await Client.connect(host, port);
  await after.send('get large added\r\n');
  const added = `begin${text}end`;
  const expected = `VALUE large 7 ${text.length}\r\n${text}\r\nVALUE added 0 ${added.length}\r\n${added}\r\nEND\r\n`;
  expect((await after.read(expected.length)).toString('latin1') === expected).toBe(true);
  after.close();
});
