/**
 * Steps that concern the process as a whole: it goes into the background (`-d`), leaves its pid in a file (`-P`), gives
 * up root (`-u`), and checks that it may have as many descriptors as it needs (`-c`).
 */
import { spawn } from 'node:child_process';
import { unlinkSync } from 'node:fs';
import { HotspareError, systemReason } from '../base/errors.js';
import { usage } from '../flags/settings.js';
import { type Log, tell } from './log.js';
import { readRegularFile, replaceFile } from './safe-files.js';
import { limitsOf, readOrEmpty } from './system-limits.js';

/** The environment variable that marks the process in the background. */
const daemonMark = 'HOTSPARE_DAEMON';

/** The message of the process in the background to the process that started it. */
export interface Started {
  readonly event: 'serving' | 'synced' | 'waiting' | 'failed';
  /** The line that says why it failed. */
  readonly line?: string;
}

export function isDaemon(): boolean {
  return process.env[daemonMark] === '1';
}

/**
 * Starts this program again in the background, in a session of its own and with /dev/null for a terminal. This process
 * ends once the daemon serves, mirrors or waits for a primary; if the daemon fails, with its line and its exit status.
 */
export function becomeDaemon(): void {
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [daemonMark]: '1' },
  });
  child.on('message', ({ event, line }: Started) => {
    if (event === 'serving' || event === 'synced' || event === 'waiting') process.exit(0);
    if (event === 'failed') tell(line!);
  });
  // The daemon's last message may come after its exit, so both events are awaited.
  let open = 2;
  const ended = (): void => {
    if (--open === 0) process.exit(child.exitCode ?? 1);
  };
  child.on('exit', ended);
  child.on('disconnect', ended);
}

/** Tells the process that started this daemon how it went; does nothing in other processes. */
export function tellStarter(message: Started | { readonly event: string }): void {
  if (!isDaemon() || !process.connected) return;
  try {
    process.send!(message, () => {});
  } catch {
    // The starter has ended meanwhile, and needs no message.
  }
}

/** Writes the pid file; the file is removed when the process ends. Throws HotspareError. */
export function writePidFile(file: string, log: Log): void {
  const other = runningPid(file);
  if (other !== null) {
    log.say(`WARNING: The pid file contained the following (running) pid: ${other}`);
  }
  try {
    replaceFile(file, `${process.pid}\n`);
  } catch (error) {
    const reason = systemReason((error as NodeJS.ErrnoException).code);
    throw usage(
      `-P ${file}: Could not open the pid file ${file} for writing: ${reason}`,
      'check the path and its rights',
    );
  }
  // The removal may log a line, so it runs before the log is flushed.
  process.prependListener('exit', () => removePidFile(file, log));
}

function removePidFile(file: string, log: Log): void {
  try {
    if (readRegularFile(file) === `${process.pid}\n`) unlinkSync(file);
  } catch (error) {
    log.say(`-P ${file}: it stays: ${systemReason((error as NodeJS.ErrnoException).code)}`);
  }
}

/** The pid in a file, when a process of that pid runs. */
function runningPid(file: string): number | null {
  try {
    const pid = Number.parseInt(readRegularFile(file) ?? '', 10);
    if (!(pid > 0) || pid === process.pid) return null;
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user of `-u`. Null when this process is not root, and therefore stays the user it is. Throws HotspareError. */
export function userToBe(name: string | undefined): User | null {
  if (name === undefined || process.getuid!() !== 0) return null;
  const lines = readOrEmpty('/etc/passwd').split('\n');
  const [, , uid, gid] = lines.map((line) => line.split(':')).find(([one]) => one === name) ?? [];
  if (uid === undefined || gid === undefined) {
    throw usage(
      `-u ${name}: can't find the user ${name} to switch to`,
      'name a user of /etc/passwd',
    );
  }
  return { name, uid: Number(uid), gid: Number(gid) };
}

/** Becomes this user, for good. */
export function giveUpRoot({ uid, gid }: User): void {
  process.setgroups!([]);
  process.setgid!(gid);
  process.setuid!(uid);
}

/** Throws HotspareError when `-c` asks for more descriptors than this process may have. */
export function checkDescriptors(connections: number): void {
  const most = limitsOf('Max open files')?.[1] ?? Number.POSITIVE_INFINITY;
  if (connections <= most) return;
  throw new HotspareError(
    'LISTEN',
    `-c ${connections}: failed to set rlimit for open files: this process may have ${most}`,
    'try a smaller -c, or raise ulimit -Hn',
  );
}
