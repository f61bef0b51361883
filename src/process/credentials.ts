/**
 * The users who may use the cache (`-Y`): memcached's file of `user:password` lines, read at the start and again on
 * SIGHUP. A client's name and password are compared in constant time, with every user, so that the time of an answer
 * does not tell how much of them was right.
 */
import { timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HotspareError } from '../base/errors.js';
import { authUsersMost } from '../base/limits.js';
import type { Log } from './log.js';

interface User {
  readonly name: Uint8Array;
  readonly password: Uint8Array;
}

const NEWLINE = 0x0a;
const COLON = 0x3a;

export class Credentials {
  private readonly file: string;
  private readonly log: Log;
  private users: readonly User[];

  /** Throws HotspareError when the file cannot be read or is malformed. */
  constructor(file: string, log: Log) {
    this.file = file;
    this.log = log;
    this.users = this.read();
  }

  /** Reads the file again. An error in it is logged, and the users read before stay. */
  reload(): void {
    try {
      this.users = this.read();
      this.log.say(`${this.file}: read again, ${this.users.length} users`);
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.log.say(`${error.message}; what was read before still holds`);
    }
  }

  admits(name: Uint8Array, password: Uint8Array): boolean {
    let found = false;
    for (const user of this.users) {
      const same = equal(user.name, name);
      if (equal(user.password, password) && same) found = true;
    }
    return found;
  }

  private read(): User[] {
    const bytes = this.bytes();
    const users: User[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      const line = bytes.subarray(at, end);
      const colon = line.indexOf(COLON);
      if (colon < 0 || line.at(-1) === 0x0d) {
        throw this.wrong("has a malformed entry. Should be 'user:password'");
      }
      users.push({ name: line.subarray(0, colon), password: line.subarray(colon + 1) });
      at = end + 1;
    }
    if (users.length > authUsersMost) {
      this.log.say(`${this.file}: only the first ${authUsersMost} of ${users.length} users count`);
    }
    return users.slice(0, authUsersMost);
  }

  private bytes(): Buffer {
    try {
      return readFileSync(this.file);
    } catch (error) {
      throw this.wrong(`cannot be read: ${(error as Error).message}`);
    }
  }

  private wrong(what: string): HotspareError {
    return new HotspareError('USAGE', `Authfile [${this.file}] ${what}`, 'correct the file of -Y');
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
