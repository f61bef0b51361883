/** A dump of a large cache: others are served meanwhile, whoever reads it slowly bloats nothing, and it is complete. */
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { startServer } from '../support/server.js';
import { until } from '../support/until.js';

/** Their dump is larger than what the kernel keeps for a connection. */
const items = 250_000;

test('metadump holds up nobody, waits for its reader, and has every item once', async () => {
  const server = await startServer(['-m', '64']);
  const client = await Client.connect(server.host, server.port);
  const sets = Array.from({ length: items }, (_, i) => `set item${i} 0 0 1 noreply\r\nx\r\n`);
  await client.send(`${sets.join('')}version\r\n`);
  expect(await client.readLine(20_000)).toMatch(/^VERSION/);

  const reader = connect(server.port, server.host);
  reader.pause();
  reader.write('lru_crawler metadump all\r\nversion\r\n');
  const unsent = async (): Promise<number> => Number(await stat(client, 'response_obj_bytes'));
  await until('the dump to wait for its reader', async () => (await unsent()) > 100_000);
  await client.send('get item1\r\n');
  expect(await client.readLine()).toBe('VALUE item1 0 1');
  expect(await client.readLine()).toBe('x');
  expect(await client.readLine()).toBe('END');
  expect(await unsent()).toBeLessThan(1_500_000);

  let text = '';
  reader.on('data', (part) => {
    text += part.toString('latin1');
  });
  reader.resume();
  await until('the version behind the dump', async () => /VERSION \S+\r\n$/.test(text), {
    withinMs: 20_000,
  });
  const keys = [...text.matchAll(/^key=(item\d+) exp=-1 la=\d+ cas=\d+ fetch=(?:yes|no) cls=1 /gm)];
  expect(keys).toHaveLength(items);
  expect(new Set(keys.map(([, key]) => key)).size).toBe(items);
  reader.destroy();
  client.close();
  await server.stop();
});

async function stat(client: Client, name: string): Promise<string> {
  await client.send('stats\r\n');
  let found = '';
  for (let line = await client.readLine(); line !== 'END'; line = await client.readLine()) {
    if (line.startsWith(`STAT ${name} `)) found = line.slice(name.length + 6);
  }
  return found;
}
