/** `hotspare pair`: the supervisor of a primary and its standbys on this machine. */
import type { Command } from 'commander';
import { givenMirrorFlags } from '../backup/flags.js';
import { Pair } from '../failover/pair.js';
import { HotspareError } from '../src/base/errors.js';
import { given } from '../src/flags/flag.js';
import { machine } from '../src/native/ports.js';
import { pairMemoryNeeds } from '../src/process/out-of-memory.js';
import { giveUpRoot, tellStarter } from '../src/process/process.js';
import { geometryOf, headBytes, pagesBytes } from '../src/store/layout.js';
import { fail } from './fail.js';
import { stopOnSignals } from './signals.js';
import { allFlags, prepare } from './start.js';

const geometryFlags = allFlags.filter(({ scope }) => scope === 'geometry');
const clientFlags = allFlags.filter(({ scope }) => scope === 'clients');

export async function runPair(command: Command, entry: string): Promise<void> {
  const start = await prepare(command);
  if (start === null) return;
  const { settings, mirrorSettings, log, user } = start;
  if (user !== null) giveUpRoot(user);
  const geometry = geometryOf(settings);
  log.say(
    pairMemoryNeeds(headBytes(geometry) + pagesBytes(geometry), mirrorSettings.standbysMost + 1),
  );
  const pair = new Pair({
    ports: machine,
    program: [entry],
    standbys: mirrorSettings.standbysMost,
    flags: [
      ...given(command, clientFlags),
      ...givenMirrorFlags(command),
      ...['--link-listen', '127.0.0.1:0'],
    ],
    primaryFlags: given(command, geometryFlags),
    log,
    onReport: (report) => tellStarter(report),
    onEnd: (reason, status) => {
      if (status !== null) process.exit(status);
      fail(new HotspareError('LINK_LOST', reason, 'start the pair again'));
    },
  });
  process.on('SIGHUP', () => pair.signal('SIGHUP'));
  stopOnSignals(() => pair.end(), log);
  pair.start();
}
