/**
 * Files that a server leaves in folders that may be everybody's, as /tmp is: the pid file and the port file. Under
 * their name somebody else's trap may stand there: a symlink to a file of ours, or a pipe that nobody writes to.
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
/** Nothing that is read here is longer. */
const readBytesMost = 64;

/**
 * Puts a file in its place whole: a reader sees all of it or none. What stood there is replaced, as memcached does; a
 * symlink is not followed. Throws as `fs` does.
 */
export function placeFile(file: string, text: string): void {
  const before = lstatSync(file, { throwIfNoEntry: false });
  // A terminal or /dev/null is written to, and must stay what it is.
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
    // In a folder where nothing may be made, a file of our own may have been made ready for us.
    if (before === undefined || !before.isFile() || !isOurs(before)) throw error;
    writeOver(file, text);
  }
}

/** The beginning of a file; null when there is none, or none that may be read without waiting. */
export function readPlaced(file: string): string | null {
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

/** True where a symlink stands that neither root nor this user has made: it may lead anywhere. */
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
