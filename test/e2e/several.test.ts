/** `hotspare pair --standbys 2`: real processes, of which any one dies. */
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, pids, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
/** No living node is found silent, however busy the machine is. */
const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];

let pair: Child;

afterEach(async () => {
  await pair.end();
});

test('the primary dies, a standby dies: nothing acknowledged is lost, and both standbys are back', async () => {
  const port = await freePort();
  const flags = ['-p', String(port), '-l', host, '-m', '8', '-v', ...patient];
  pair = await hotspare('pair', '--standbys', '2', '--require-standbys', '2', ...flags);
  await said(pair, /all 3 nodes together need up to \d+ MiB/);
  await inSync(port, 2);
  expect(await ask(port, 'set k 7 0 1\r\n1')).toBe('STORED');
  const cas = await ask(port, 'gets k');

  process.kill(pids(pair, 'primary')[0]!, 'SIGKILL');
  await said(pair, /serving on port \d+, epoch 2/);
  expect(await ask(port, 'gets k')).toBe(cas);
  await said(pair, /epoch 2 reigns elsewhere now/);
  await inSync(port, 2);
  expect(await ask(port, 'set l 0 0 1\r\n1')).toBe('STORED');

  // With one standby less writes are refused until another is in sync.
  const restarted = pids(pair, 'standby').length;
  process.kill(pids(pair, 'standby').at(-1)!, 'SIGKILL');
  await said(pair, /1 of 2 required standbys in sync: writes are refused/);
  await until('another', () => pids(pair, 'standby').length > restarted, { withinMs: patienceMs });
  await inSync(port, 2);
  expect(await ask(port, 'set l 0 0 1\r\n2')).toBe('STORED');
  expect(await ask(port, 'gets k')).toBe(cas);

  const standbys = await stats(port, 'mirror');
  expect([0, 1].map((i) => standbys.get(`standby:${i}:state`))).toEqual(['in_sync', 'in_sync']);
});

async function inSync(port: number, count: number): Promise<void> {
  const wanted = String(count);
  const found = async (): Promise<boolean> => {
    const rows = await stats(port).catch(() => new Map<string, string>());
    return rows.get('mirror_standbys_in_sync') === wanted;
  };
  await until(`${count} standbys in sync`, found, { withinMs: patienceMs });
}

/** The first line of the answer. */
async function ask(port: number, line: string): Promise<string> {
  const client = await Client.connect(host, port);
  await client.send(`${line}\r\n`);
  const answer = await client.readLine();
  client.close();
  return answer;
}
