/** A standby whose own system cannot even begin to connect: that says nothing of its primary, and its copy stays. */
import { execFileSync } from 'node:child_process';
import { afterEach, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { hotspare, said } from '../support/nodes.js';
import type { Child } from '../support/process.js';

const nodes: Child[] = [];

afterEach(async () => {
  for (const node of nodes.splice(0)) await node.end();
});

function limitDescriptors(pid: number, most: string): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${most}:`]);
}

// It took EMFILE for a primary that is busy, gave the only copy up, and looked for a primary for ever.
test('a standby without a free descriptor takes over when its primary dies', async () => {
  const [link, ownLink, port, ownPort] = await Promise.all([1, 2, 3, 4].map(() => freePort()));
  const common = ['-l', '127.0.0.1', '-m', '16', '-vv'];
  const primary = await hotspare(...common, '-p', `${port}`, '--link-listen', `127.0.0.1:${link}`);
  nodes.push(primary);
  await said(primary, /serving on port/);
  const of = ['standby', '--of', `127.0.0.1:${link}`, '--link-listen', `127.0.0.1:${ownLink}`];
  const standby = await hotspare(...of, '-l', '127.0.0.1', '-p', `${ownPort}`, '-vv');
  nodes.push(standby);
  await said(standby, /ready to take over/);
  limitDescriptors(standby.pid, '10');
  process.kill(primary.pid, 'SIGKILL');
  await said(standby, /standby: lost → reconnecting/);
  limitDescriptors(standby.pid, '1024');
  await said(standby, /serving on port/);
});
