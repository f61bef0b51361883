/**
 * Which servers the table is run against, and the servers themselves: one for every set of flags a case asks for,
 * started when first needed, and stopped when its last case is over or all are.
 */
import { spawnSync } from 'node:child_process';
import { startMirrored } from '../support/mirrored-server.js';
import {
  givenServer,
  memcachedMissing,
  type Server,
  startProgram,
  startServer,
} from '../support/server.js';

const JUDGE_VERSION = '1.6.18';

export interface Judged {
  readonly title: string;
  readonly program: Server['name'];
  /** Why nothing can be run against it, or null. */
  readonly missing: string | null;
  server(flags?: readonly string[]): Promise<Server>;
  /** Stops the server with these flags, as no more cases ask for it: a node that idles takes processor time, too. */
  end(flags: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** The server given with SERVER or, without it, hotspare alone. */
export function first(): Judged {
  return givenServer === undefined
    ? judged('hotspare alone', 'hotspare', null, (flags) => startProgram('hotspare', flags))
    : judged(`the server at ${givenServer}`, 'given', null, startServer);
}

/** hotspare, every reply of which waits for a standby on this machine. */
export function withStandby(): Judged {
  return judged('hotspare with a standby', 'hotspare', notAsked(), startMirrored);
}

/** memcached, which judges the table itself. */
export function judge(): Judged {
  const missing = notAsked() ?? judgeMissing();
  return judged('the judge: memcached', 'memcached', missing, (flags) =>
    startProgram('memcached', flags),
  );
}

function notAsked(): string | null {
  return givenServer === undefined ? null : 'not run: SERVER is given';
}

function judged(
  title: string,
  program: Judged['program'],
  missing: string | null,
  start: (flags: readonly string[]) => Promise<Server>,
): Judged {
  const servers = new Map<string, Promise<Server>>();
  return {
    title,
    program,
    missing,
    server: (flags = []) => {
      const key = flags.join(' ');
      const known = servers.get(key) ?? start(flags);
      servers.set(key, known);
      return known;
    },
    end: async (flags) => {
      const key = flags.join(' ');
      const known = servers.get(key);
      servers.delete(key);
      await (await known)?.stop();
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
