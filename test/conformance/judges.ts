/**
 * Which servers the table is run against, and the servers themselves: one for every set of flags a case asks
 * for, started when first needed and stopped together.
 */
import { spawnSync } from 'node:child_process';
import {
  givenServer,
  memcachedMissing,
  type Program,
  type Server,
  startProgram,
  startServer,
  underTest,
} from '../support/server.js';

const JUDGE_VERSION = '1.6.18';

export interface Judged {
  readonly title: string;
  /** Why nothing can be run against it, or null. */
  readonly missing: string | null;
  server(flags?: readonly string[]): Promise<Server>;
  stop(): Promise<void>;
}

/** The server under test first; then, unless it is that already, memcached, which judges the table itself. */
export function allJudged(): Judged[] {
  if (givenServer !== undefined) {
    return [judged(`the server at ${givenServer}`, null, startServer)];
  }
  const first = judged(underTest, underTest === 'memcached' ? judgeMissing() : null, startServer);
  return underTest === 'memcached' ? [first] : [first, memcached()];
}

function memcached(): Judged {
  const program: Program = 'memcached';
  return judged('the judge: memcached', judgeMissing(), (flags) => startProgram(program, flags));
}

function judged(
  title: string,
  missing: string | null,
  start: (flags: readonly string[]) => Promise<Server>,
): Judged {
  const servers = new Map<string, Promise<Server>>();
  return {
    title,
    missing,
    server: (flags = []) => {
      const key = flags.join(' ');
      const known = servers.get(key) ?? start(flags);
      servers.set(key, known);
      return known;
    },
    stop: async () => {
      for (const result of await Promise.allSettled(servers.values())) {
        if (result.status === 'fulfilled') {
          await result.value.stop();
        }
      }
    },
  };
}

function judgeMissing(): string | null {
  const missing = memcachedMissing();
  if (missing !== null) {
    return missing;
  }
  const printed = spawnSync('/usr/bin/memcached', ['-V'], { encoding: 'utf8' }).stdout.trim();
  return printed === `memcached ${JUDGE_VERSION}`
    ? null
    : `not run: the table is that of memcached ${JUDGE_VERSION}, and here is ${printed}`;
}
