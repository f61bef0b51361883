/** When memory runs short the kernel ends the node whose copy is not whole, and not the one with the only copy. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { gone, hotspare, patienceMs, pids, said } from '../support/nodes.js';
import { until } from '../support/until.js';

const score = (pid: number): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));
const inherited = score(process.pid);

test('a standby that has no copy yet goes first', async () => {
  // Takes connections, and never speaks.
  const mute = createServer().listen(0, '127.0.0.1');
  await until('the listener', () => mute.listening);
  const { port } = mute.address() as { port: number };
  const standby = await hotspare('standby', '--of', `127.0.0.1:${port}`, '-p', '0');
  try {
    await until('its score', () => score(standby.pid) === inherited + 500, {
      withinMs: patienceMs,
    });
  } finally {
    await standby.end();
    mute.close();
  }
});

test('in sync, a standby is as likely as the primary again, also as another user', async () => {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const pair = await hotspare('pair', '-v', '-p', String(await freePort()), '-m', '8', ...user);
  try {
    await said(pair, /: (?:WARNING: )?both nodes together need up to \d+ MiB/);
    await said(pair, /in sync with/);
    const [primary] = pids(pair, 'primary');
    const [standby] = pids(pair, 'standby');
    expect(score(primary!)).toBe(inherited);
    await until('its score', () => score(standby!) === inherited);
    process.kill(primary!, 'SIGKILL');
    await gone(primary!);
    await said(pair, /in sync with/, 2);
    expect(score(standby!)).toBe(inherited);
  } finally {
    await pair.end();
  }
});
