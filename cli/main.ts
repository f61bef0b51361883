#!/usr/bin/env node
/**
 * The command line: all commands and their flags (those of drill, doctor and bench in tools.ts). Nothing imports this
 * file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { addMirrorFlags } from '../backup/flags.js';
import { exitStatus } from '../src/base/errors.js';
import { addFlags, type Values } from '../src/flags/flag.js';
import { keepLastWords, print, sayWhatNodeSays, tell } from '../src/process/log.js';
import { fail, run } from './fail.js';
import { mirror, serve } from './node.js';
import { runPair } from './pair.js';
import { allFlags, root } from './start.js';
import { toolCommands } from './tools.js';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
};
const standbyFlags = allFlags.filter(({ scope }) => scope !== 'geometry');

/**
 * The path of a request is many small functions. By default V8 stops to inline them after 920 bytes of bytecode, in the
 * middle of that path; with 3000, gets and sets are a tenth faster (docs/BENCHMARKS.md).
 */
setFlagsFromString('--max-inlined-bytecode-size-cumulative=3000');
main();

function main(): void {
  keepLastWords();
  sayWhatNodeSays();
  const program = new Command('hotspare')
    .description('a memcached server that does not die with its machine')
    .version(
      `hotspare ${version} (answers as memcached 1.6.18)`,
      '-V, --version',
      'print the version',
    )
    .helpOption('-h, --help', 'print this help')
    .configureOutput({
      writeOut: print,
      writeErr: tell,
      outputError: (text) => tell(usageLine(text)),
    })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitStatus.USAGE))
    .enablePositionalOptions();
  program.action((_: Values, command: Command) => run(() => serve(command)));
  addMirrorFlags(addFlags(program, allFlags));

  const standby = program
    .command('standby')
    .description('mirror a primary, and serve in its place when it dies')
    .requiredOption('--of <HOST:PORT>', 'the --link-listen of the primary')
    .action((_: Values, command: Command) => run(() => mirror(command)));
  addMirrorFlags(addFlags(standby, standbyFlags));

  const pair = program
    .command('pair')
    .description('a primary and its standby on this machine, sharing one port')
    .action((_: Values, command: Command) => run(() => runPair(command, __filename)));
  addMirrorFlags(addFlags(pair, allFlags));

  toolCommands(program, __filename, fail);
  program.parse();
}

/** The error of commander, the parser of the command line, as one line like all other errors. */
function usageLine(text: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replace(/^too many arguments\..*$/, 'unknown command')
    .replaceAll('\n', ' ');
  return `hotspare: ${sentence} (hotspare -h lists all flags and commands)\n`;
}
