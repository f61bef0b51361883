/**
 * The commands beside the server's own: drill, doctor and bench. Each ends the process with its verdict. The modules
 * and flags of each are loaded only when it is asked for, as a node that is started again shall serve soon.
 */
import type { Command } from 'commander';
import { exitStatus, HotspareError } from '../src/base/errors.js';

type Flags = Readonly<Record<string, unknown>>;

/** `entry`: the program, for the processes that these commands start. `fail`: ends this process with an error. */
export function toolCommands(
  program: Command,
  entry: string,
  fail: (error: HotspareError) => never,
): void {
  const run = (body: () => Promise<number>): void => {
    body().then(
      (status) => process.exit(status),
      (error: unknown) => {
        if (error instanceof HotspareError) fail(error);
        throw error;
      },
    );
  };
  const rehearsal = program
    .command('drill')
    .description(
      'start a pair, load it, kill its primary, and check that nothing acknowledged is lost',
    );
  whenAskedFor(program, rehearsal, () => {
    const { drill, drillFlags } =
      require('../failover/drill/drill.js') as typeof import('../failover/drill/drill.js');
    drillFlags(rehearsal).action((flags: Flags) =>
      run(async () => ((await drill(flags, [entry])) ? 0 : exitStatus.DRILL)),
    );
  });
  const examination = program
    .command('doctor')
    .description('what this machine can do for a mirror over RDMA, and what to do about the rest');
  whenAskedFor(program, examination, () => {
    const { doctor, doctorFlags } =
      require('./doctor/doctor.js') as typeof import('./doctor/doctor.js');
    doctorFlags(examination).action((flags: Flags) =>
      run(async () => ((await doctor(flags)) ? 0 : exitStatus.FABRIC)),
    );
  });
  const bench = program.command('bench').description('measure the mirror, or a server');
  whenAskedFor(program, bench, () => {
    const { benchCommands } = require('./measure/bench.js') as typeof import('./measure/bench.js');
    benchCommands(bench, entry, (body) => run(() => body().then(() => 0)));
  });
}

/** Calls `complete` once, before the command reads the rest of the command line, or the program's help shows it. */
function whenAskedFor(program: Command, command: Command, complete: () => void): void {
  let isComplete = false;
  const load = (): void => {
    if (isComplete) return;
    isComplete = true;
    complete();
  };
  program.hook('preSubcommand', (_, asked) => {
    if (asked === command) load();
  });
  // The list of commands says which of them have options.
  program.addHelpText('before', () => {
    load();
    return '';
  });
}
