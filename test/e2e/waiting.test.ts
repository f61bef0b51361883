/**
 * Commands that wait for memory: while a page is emptied for them, a thousand items a tick, or while replies of the
 * same tick still hold what they need. They are executed anew in a later tick, and answered once.
 */
import { afterEach, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { type Server, startProgram } from '../support/server.js';

let server: Server | null = null;
let client: Client;

afterEach(async () => {
  client.close();
  await server?.stop();
  server = null;
});

async function start(...flags: string[]): Promise<void> {
  server = await startProgram('hotspare', flags);
  client = await Client.connect('127.0.0.1', server.port);
}

/** What is answered to this, and to the `mn` behind it. */
async function answer(sent: string): Promise<string> {
  await client.send(`${sent}mn\r\n`);
  return (await client.readUntil('MN', (text) => text.endsWith('MN\r\n'))).toString('latin1');
}

const longKey = 'v'.repeat(240);
const decoded = 'v'.repeat(180);
const coded = Buffer.from(decoded).toString('base64');

test.each([
  ['set', `set ${longKey} 0 0 1\r\nx\r\n`, 'STORED\r\n'],
  ['ms', `ms ${longKey} 1\r\nx\r\n`, 'HD\r\n'],
  // They were answered EN, or out of memory, in each tick until the page was there.
  ['mg that makes an item', `mg ${longKey} N30 t\r\n`, 'HD t30 W\r\n'],
  ['ma that makes an item', `ma ${longKey} N0 J5 v\r\n`, 'VA 1\r\n5\r\n'],
  // A key in base64 is decoded where it stands: in the second tick it was decoded once more.
  ['ms in base64', `ms ${coded} 1 b k\r\nx\r\n`, `HD k${coded} b\r\n`],
  ['mg in base64', `mg ${coded} b N30 k\r\n`, `HD k${decoded} W\r\n`],
  ['ma in base64', `ma ${coded} b N0 J5 k\r\n`, `HD k${coded} b\r\n`],
])('%s for which a page is emptied is answered once', async (_, sent, expected) => {
  await start('-m', '2');
  let many = '';
  for (let i = 0; i < 25_000; i++) many += `set k${i} 0 0 1 noreply\r\nx\r\n`;
  expect(await answer(many)).toBe('MN\r\n');
  expect(await answer(sent)).toBe(`${expected}MN\r\n`);
});
