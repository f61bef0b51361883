/** `hotspare` and `hotspare standby`: one node, which serves at once or mirrors first. */

import type { Command } from 'commander';
import { Node, type NodeOptions } from '../failover/node.js';
import type { Notice } from '../failover/report.js';
import type { Values } from '../src/flags/flag.js';
import { address, usage } from '../src/flags/settings.js';
import { native } from '../src/native/addon.js';
import { machine } from '../src/native/ports.js';
import { dumpLatenciesOnSignal } from '../src/process/latency-dump.js';
import type { Log } from '../src/process/log.js';
import { diesFirstOutOfMemory } from '../src/process/out-of-memory.js';
import { giveUpRoot } from '../src/process/process.js';
import { fail } from './fail.js';
import { report } from './report.js';
import { isSupervised, stopOnSignals } from './signals.js';
import { prepare, type Start } from './start.js';

export async function serve(command: Command): Promise<void> {
  const start = await prepare(command);
  if (start === null) return;
  const { log } = start;
  const node = newNode(start);
  superviseNode(node, log);
  node.startPrimary();
  if (start.user !== null) giveUpRoot(start.user);
  // The keeper process keeps the user that this process has now, so it is started after root is given up.
  native.keeperStart();
}

export async function mirror(command: Command): Promise<void> {
  const of = String(command.opts<Values>()['of']);
  const { host, port } = address(of, 0);
  if (port === 0) throw usage(`--of ${of}: a port is missing`);
  const start = await prepare(command);
  if (start === null) return;
  const { log } = start;
  if (start.user !== null) giveUpRoot(start.user);
  native.keeperStart();
  const node = newNode(start);
  superviseNode(node, log);
  node.startStandby({ host, port });
}

function newNode({ settings, mirrorSettings, log }: Start): Node {
  const fence = fencing();
  const node = new Node({
    ports: machine,
    settings,
    mirrorSettings,
    log,
    fence,
    report,
    diesFirstOutOfMemory,
    fail,
  });
  dumpLatenciesOnSignal(() => node.latencies(), log);
  return node;
}

/** Asks the supervisor to end the old primary; null when this node has no supervisor. */
function fencing(): NodeOptions['fence'] {
  if (!isSupervised()) return null;
  return (untilMs) =>
    new Promise((fenced) => {
      const answer = (notice: Notice): void => {
        if (notice.fenced === undefined) return;
        process.off('message', answer);
        fenced(notice.fenced);
      };
      process.on('message', answer);
      report({ event: 'fence', untilMs });
    });
}

/** Ends a node on signals, and on the word of its supervisor; tells it of the standby's death. */
function superviseNode(node: Node, log: Log): void {
  process.on('SIGHUP', () => node.reload());
  const end = stopOnSignals(() => node.stop(), log);
  process.on('message', (notice: Notice) => {
    if (notice.standbyDead !== undefined) node.standbyIsDead(notice.standbyDead);
    if (notice.reigns !== undefined) node.reignsElsewhere(notice.reigns.epoch, notice.reigns.link);
    if (notice.end === true) end('the pair ends it');
  });
  if (isSupervised()) process.on('disconnect', () => end('the pair ended'));
}
