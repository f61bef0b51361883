/**
 * A primary is killed, and its heir cannot make one call into the system on the way: it serves all the same, with
 * everything that was acknowledged, and the next standby attaches to it. Each heir is the primary of the next round.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { AcknowledgedStore } from '../support/acknowledged-store.js';
import {
  exhaustive,
  type Fault,
  type FaultCode,
  Interposer,
  interposerMissing,
  Tally,
} from '../support/faults.js';
import { gone, main, said } from '../support/nodes.js';
import { type Child, startChild } from '../support/process.js';
import { slowness } from '../support/until.js';

const missing = interposerMissing();
if (missing !== null) process.stderr.write(`${missing}\n`);

const host = '127.0.0.1';
const times = ['--dead-after', String(1000 * slowness), '--ack-timeout', String(4000 * slowness)];

/** Made for each listener and each try: the first alone is tried, but for FAULTS=all. */
const repeated = ['setsockopt', 'getsockname', 'getaddrinfo'];

/** The first code is always tried, the others with FAULTS=all. */
const calls: Readonly<Record<string, readonly FaultCode[]>> = {
  socket: ['EMFILE', 'ENOBUFS'],
  connect: ['EADDRNOTAVAIL', 'ENETUNREACH'],
  bind: ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL'],
  listen: ['EADDRINUSE'],
  setsockopt: ['ENOBUFS'],
  getsockname: ['ENOBUFS'],
  getaddrinfo: ['ENOMEM'],
  epoll_ctl: ['ENOSPC'],
};

interface Node {
  readonly child: Child;
  readonly fault: Fault;
  readonly link: number;
}

let interposer: Interposer;
let folder: string;
let nodes: Node[] = [];

beforeAll(() => {
  if (missing !== null) return;
  interposer = new Interposer();
  folder = mkdtempSync(join(tmpdir(), 'hotspare-faults-'));
  writeFileSync(join(folder, 'secret'), 'a secret of two nodes', { mode: 0o600 });
});
afterEach(async () => {
  await Promise.all(nodes.map(({ child }) => child.end()));
  for (const { fault } of nodes) fault.close();
  nodes = [];
});
afterAll(() => {
  if (missing !== null) return;
  interposer.end();
  rmSync(folder, { recursive: true });
});

async function start(port: number, ...args: string[]): Promise<Node> {
  const fault = interposer.fault();
  const link = await freePort();
  const secret = ['--secret-file', join(folder, 'secret')];
  const listen = ['-l', host, '-p', String(port), '--link-listen', `${host}:${link}`];
  const all = [main, ...args, ...listen, '-v', ...times, ...secret];
  const child = await startChild(process.execPath, all, { env: fault.env });
  const node = { child, fault, link };
  nodes.push(node);
  return node;
}

(missing === null ? describe : describe.skip)('a takeover', () => {
  test(
    'comes to its end, whichever call fails once',
    async () => {
      const port = await freePort();
      const store = new AcknowledgedStore();
      const tally = new Tally();
      let primary = await start(port, '-m', '8');
      await said(primary.child, /serving on/);

      /** The primary is killed, and succeeded by a new standby on which `prepare` was called before. */
      const succeed = async (prepare: (fault: Fault) => void): Promise<Node> => {
        const of = `${host}:${primary.link}`;
        const heir = await start(port, 'standby', '--of', of);
        await said(heir.child, /ready to take over/);
        await store.write(port);
        prepare(heir.fault);
        primary.child.signal('SIGKILL');
        await gone(primary.child.pid);
        await said(heir.child, /serving on port/);
        // The client that looks is none of the takeover's.
        heir.fault.disarm();
        await store.check(port);
        primary = heir;
        return heir;
      };

      const { fault: counter } = await succeed((fault) => fault.count());
      const { counts } = counter;
      for (const [call, codes] of Object.entries(calls)) {
        for (const code of exhaustive ? codes : codes.slice(0, 1)) {
          const count = counts.get(call) ?? 0;
          const last = repeated.includes(call) && !exhaustive ? Math.min(count, 1) : count;
          for (let n = 1; n <= last; n++) {
            const { fault } = await succeed((one) => one.arm(call, n, code));
            if (fault.hits > 0) tally.add(call, code, n, 'served');
          }
        }
      }
      // An address that is taken for a while, too: it holds the only copy, and does not give up.
      const { fault } = await succeed((one) => one.arm('bind', 1, 'EADDRINUSE', 6));
      expect(fault.hits).toBe(6);
      if (exhaustive) process.stderr.write(`${tally}\n`);
      for (const call of ['socket', 'connect', 'bind', 'listen', 'epoll_ctl']) {
        expect([call, tally.reached(call)]).toEqual([call, true]);
      }
    },
    (exhaustive ? 600_000 : 120_000) * slowness,
  );
});
