/**
 * What meta commands know of an item beside its value lives in the mirrored bytes: after the primary was killed its
 * standby answers with the same value, client flags, expiry, CAS id, stale mark, winner and kind of key.
 */
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { within } from '../support/until.js';

const host = '127.0.0.1';
const nodes: Child[] = [];
const large = 'x'.repeat(300_000);
const largestId = '18446744073709551615';

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.end()));
});

/** What is done to the items before the primary dies. Far expiries, so that seconds do not matter. */
const history = [
  `ms flushed 1 E${largestId}\r\nx\r\nflush_all\r\n`,
  'ms plain 5 F7 T2000000000\r\nplain\r\n',
  'ms stale 5 F9 T2000000000\r\nstale\r\nmd stale I\r\n',
  'ms won 3\r\nwon\r\nmd won I T2000000000\r\nmg won\r\n',
  'ms again 5\r\nagain\r\nmd again I\r\nmg again\r\nmd again I\r\n',
  'ms cleared 3\r\nold\r\nmd cleared I\r\nmg cleared\r\nms cleared 3\r\nnew\r\n',
  `ms large ${large.length} F1\r\n${large}\r\nmd large I\r\n`,
  'ms aged 4 T1000\r\naged\r\nmg aged T1000 R2000\r\n',
  'mg made N2000000000\r\n',
  'ms touched 7\r\ntouched\r\nmg touched T2000000000\r\n',
  'ma number N2000000000 J41\r\nma number\r\nmd number I\r\nma number\r\n',
  'ms ZW5jb2RlZA== 7 b\r\nencoded\r\n',
  'ms DQo= 3 b F5\r\nkey\r\nmd DQo= b I\r\n',
  'ms gone 1\r\nx\r\nmd gone\r\n',
  `ms high 4 E${largestId}\r\nhigh\r\nms low 3\r\nlow\r\nmd low I E1\r\n`,
].join('');

const keys =
  'plain stale won again cleared large made touched number encoded gone flushed high low';

/** u: asking is no reading, and nothing here wins. */
const looks = [
  `gets ${keys}\r\n`,
  ...['plain', 'cleared', 'made', 'won', 'aged', 'gone'].map((key) => `mg ${key} v f c k u\r\n`),
  'mg touched v c u\r\n',
  'mg encoded k v c u\r\n',
].join('');

/** And then: who wins, and with which expiry. */
const afterwards = [
  'mg stale k f v',
  'mg stale k',
  'mg won',
  'mg again v',
  'mg large s f',
  'mg large',
  'mg aged',
  'mg made N100',
  'mg number v',
  'mg DQo= b k f v',
  'mg DQo= b k',
]
  .map((line) => `${line}\r\n`)
  .join('');

const expiries = ['plain', 'touched', 'made', 'won'].map((key) => `mg ${key} t u\r\n`).join('');

test('after a takeover nothing that meta commands know is lost', async () => {
  const { primary, primaryPort, standby, standbyPort } = await twoNodes();
  await ask(primaryPort, history);
  const before = await ask(primaryPort, looks);
  const ttls = await ask(primaryPort, expiries);
  expect(before).toContain('VA 7 kZW5jb2RlZA== b');
  expect(before).toContain(`VALUE high 0 4 ${largestId}\r\nhigh\r\nVALUE low 0 3 1\r\n`);
  expect(before).not.toContain('VALUE flushed');
  primary.signal('SIGKILL');
  await within('the end of the primary', patienceMs, primary.exited);
  await said(standby, /serving on port \d+, epoch 2/);
  expect(await ask(standbyPort, looks)).toBe(before);
  const left = seconds(await ask(standbyPort, expiries));
  for (const [at, was] of seconds(ttls).entries()) {
    expect(was - left[at]!).toBeGreaterThanOrEqual(0);
    expect(was - left[at]!).toBeLessThan(patienceMs / 1000);
  }
  expect(await ask(standbyPort, afterwards)).toBe(
    [
      'VA 5 kstale f9 X W\r\nstale',
      'HD kstale Z X',
      'HD Z X',
      'VA 5 X W\r\nagain',
      'HD s300000 f1 X W',
      'HD Z X',
      'HD Z',
      'HD Z',
      'VA 2 X W\r\n43',
      'VA 3 kDQo= b f5 X W\r\nkey',
      'HD kDQo= b Z X',
      '',
    ].join('\r\n'),
  );
});

function seconds(text: string): number[] {
  return [...text.matchAll(/ t(\d+)/g)].map(([, number]) => Number(number));
}

/** Everything that is answered to these requests. */
async function ask(port: number, sent: string): Promise<string> {
  const client = await Client.connect(host, port);
  try {
    await client.send(`${sent}mn\r\n`);
    const all = await client.readUntil('MN', (text) => text.endsWith('MN\r\n'), patienceMs);
    return all.toString('latin1').slice(0, -'MN\r\n'.length);
  } finally {
    client.close();
  }
}

interface Two {
  readonly primary: Child;
  readonly primaryPort: number;
  readonly standby: Child;
  readonly standbyPort: number;
}

async function twoNodes(): Promise<Two> {
  const [primaryPort, standbyPort] = [await freePort(), await freePort()];
  const link = `${host}:${await freePort()}`;
  const common = ['-l', host, '-v', '-p'];
  const primary = await hotspare(...common, String(primaryPort), '--link-listen', link);
  nodes.push(primary);
  await said(primary, /serving on port/);
  const standby = await hotspare('standby', '--of', link, ...common, String(standbyPort));
  nodes.push(standby);
  await said(primary, /is in sync/);
  return { primary, primaryPort, standby, standbyPort };
}
