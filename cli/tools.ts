/** The commands beside the server's own: drill, doctor and bench. Each ends the process with its verdict. */
import type { Command } from 'commander';
import { drill, drillFlags } from '../failover/drill/drill.js';
import { exitStatus, HotspareError } from '../src/base/errors.js';
import { doctor, doctorFlags } from './doctor/doctor.js';
import { benchCommands } from './measure/bench.js';

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
    )
    .action((flags: Flags) =>
      run(async () => ((await drill(flags, [entry])) ? 0 : exitStatus.DRILL)),
    );
  drillFlags(rehearsal);
  const examination = program
    .command('doctor')
    .description('what this machine can do for a mirror over RDMA, and what to do about the rest')
    .action((flags: Flags) => run(async () => ((await doctor(flags)) ? 0 : exitStatus.FABRIC)));
  doctorFlags(examination);
  benchCommands(program, entry, (body) => run(() => body().then(() => 0)));
}
