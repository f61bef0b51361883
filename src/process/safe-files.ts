/**
 * Reads and writes files in folders that anybody may write to, as /tmp is: the pid file and the port file. Under their
 * names another user may have set a trap: a symlink to a file of ours, or a pipe that nobody writes to.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = constants;
const readableByAll = 0o644;
/** The longest file that is read here. */
const readBytesMost = 64;

/**
 * Puts a file in its place whole: a reader sees all of it or none. A file that stood there is replaced, as memcached
 * does; a symlink is not followed. Throws as `fs` does.
 */
export function replaceFile(file: string, text: string): void {
  const before = lstatSync(file, { throwIfNoEntry: false });
  // A terminal or /dev/null must stay one, so it is written to, not replaced.
  if (before !== undefined && !before.isFile() && !before.isSymbolicLink()) {
    writeOver(file, text);
    return;
  }
  const fresh = `${file}.${process.pid}.tmp`;
  try {
    rmSync(fresh, { force: true });
    write(openSync(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, readableByAll), text);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    // The folder lets us make no file, but a file of ours may stand there to be written to.
    if (before === undefined || !before.isFile() || !isOurs(before)) throw error;
    writeOver(file, text);
  }
}

/** The beginning of a file; null when there is no regular file, or it may not be read. */
export function readRegularFile(file: string): string | null {
  let descriptor = -1;
  try {
    descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fstatSync(descriptor).isFile()) return null;
    const bytes = Buffer.alloc(readBytesMost);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes));
  } catch {
    return null;
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
  }
}

/** True for a symlink that neither root nor this user has made, as it may lead anywhere. */
export function isForeignLink(file: string): boolean {
  const found = lstatSync(file, { throwIfNoEntry: false });
  return found?.isSymbolicLink() === true && found.uid !== 0 && !isOurs(found);
}

function isOurs({ uid }: Stats): boolean {
  return uid === process.geteuid!();
}

function writeOver(file: string, text: string): void {
  write(openSync(file, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_TRUNC), text);
}

function write(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}
