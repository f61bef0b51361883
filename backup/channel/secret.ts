/**
 * Where the secret of two nodes comes from: a file that nobody else can read or change (`--secret-file`), or the pair
 * that started this node. A pair draws its secret and hands it over through an inherited descriptor, because a command
 * line can be read by everybody, and an environment stays readable in /proc for as long as the process lives.
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { HotspareError } from '../../src/base/errors.js';
import { secretBytesLeast, secretBytesMost } from '../../src/base/limits.js';
import { usage } from '../../src/flags/settings.js';

/** The descriptor at which a node of a pair finds its secret, and the variable that names the descriptor. */
export const secretDescriptor = 4;
export const secretVariable = 'HOTSPARE_SECRET_DESCRIPTOR';

/** Permission bits that let others than the owner read a file, or change it. */
const othersMode = 0o077;

/** The bytes of the file, or those that the pair handed over, or none. Throws HotspareError. */
export function secretOf(file: string | undefined): Uint8Array {
  const inherited = inheritedSecret();
  return file === undefined ? inherited : readSecret(file);
}

function inheritedSecret(): Uint8Array {
  const descriptor = process.env[secretVariable];
  if (descriptor === undefined) return new Uint8Array(0);
  // Programs that this node starts must not see it.
  delete process.env[secretVariable];
  try {
    const secret = readFileSync(Number(descriptor));
    closeSync(Number(descriptor));
    return secret;
  } catch (error) {
    const reason = (error as Error).message;
    throw usage(
      `${secretVariable}=${descriptor}, which only a pair may set: ${reason}`,
      'unset it',
    );
  }
}

function readSecret(file: string): Uint8Array {
  let secret: Buffer;
  let mode: number;
  let owner: number;
  try {
    const descriptor = openSync(file, 'r');
    try {
      ({ mode, uid: owner } = fstatSync(descriptor));
      secret = readFileSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw usage(`--secret-file ${file}: ${(error as Error).message}`);
  }
  if (secret.length < secretBytesLeast || secret.length > secretBytesMost) {
    const range = `${secretBytesLeast} to ${secretBytesMost} bytes`;
    throw usage(`--secret-file ${file} has ${secret.length} bytes: a secret has ${range}`);
  }
  if ((mode & othersMode) !== 0) throw readByOthers(file, mode);
  // A root process may read any user's file, as it may become that user by -u.
  const own = process.getuid!();
  if (own !== 0 && owner !== 0 && owner !== own) {
    throw usage(
      `--secret-file ${file}: another user (uid ${owner}) owns it, and may change it`,
      `chown ${ownName(own)} ${file}`,
    );
  }
  return secret;
}

/** This process' user: a user of a container or of a chroot may have a number only. */
function ownName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(uid);
  }
}

function readByOthers(file: string, mode: number): HotspareError {
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  return usage(
    `--secret-file ${file}: others may read or change it (mode ${octal})`,
    `chmod 600 ${file}`,
  );
}
