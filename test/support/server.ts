/**
 * The server a test runs against. Flags are memcached's.
 *
 *   SERVER=host:port   that server, whatever it is; flags cannot be given to it. Tests flush it, so they run one
 *                      file at a time (`jest -i`), and never against a cache that somebody needs
 *   JUDGE=memcached    Debian's memcached, so that a test can be tried on the original
 *   neither            hotspare: `node dist/cli/main.js`
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../failover/drill/free-port.js';
import { type Child, startChild } from './process.js';
import { until } from './until.js';

export type Program = 'hotspare' | 'memcached';

export interface Server {
  readonly name: 'given' | Program;
  readonly host: string;
  readonly port: number;
  /** Null for a server that was given with SERVER. */
  readonly child: Child | null;
  stop(): Promise<void>;
}

const MEMCACHED = '/usr/bin/memcached';
const MAIN = join(__dirname, '../../cli/main.js');
const START_MS = 10_000;
const START_ATTEMPTS = 4;

export const givenServer: string | undefined = process.env['SERVER'];
export const underTest: Program = process.env['JUDGE'] === 'memcached' ? 'memcached' : 'hotspare';

/** The reason why memcached cannot be the judge here, or null. */
export function memcachedMissing(): string | null {
  return existsSync(MEMCACHED) ? null : 'not run: memcached is not installed';
}

/** Starts the server under test, chosen by the environment. */
export async function startServer(flags: readonly string[] = []): Promise<Server> {
  if (givenServer === undefined) {
    return startProgram(underTest, flags);
  }
  if (flags.length > 0) {
    throw new Error(`the server given with SERVER cannot be started with ${flags.join(' ')}`);
  }
  const colon = givenServer.lastIndexOf(':');
  const host = givenServer.slice(0, colon);
  const port = Number(givenServer.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port)) {
    throw new Error(`SERVER is host:port, not ${givenServer}`);
  }
  return { name: 'given', host, port, child: null, stop: async () => {} };
}

/** Starts a program of our own on a free port of the loopback, and waits until it reports that it serves there. */
export async function startProgram(name: Program, flags: readonly string[] = []): Promise<Server> {
  const host = '127.0.0.1';
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'hotspare-'));
    // Another program may answer at the port meanwhile; only this one writes the file.
    const file = join(folder, 'ports');
    const environment = { env: { MEMCACHED_PORT_FILENAME: file } };
    const child = await startChild(...commandLine(name, host, port, flags), environment);
    try {
      await until(
        `${child.command} to serve`,
        () => {
          if (!child.running()) {
            throw new Error(`${child.command} ended before it served:\n${child.output()}`);
          }
          return existsSync(file);
        },
        { withinMs: START_MS },
      );
      return {
        name,
        host,
        port,
        child,
        stop: async () => {
          await child.end();
        },
      };
    } catch (error) {
      await child.end();
      const taken = /in use|EADDRINUSE/i.test(child.output());
      if (!taken || attempt === START_ATTEMPTS) {
        throw error;
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

function commandLine(
  name: Program,
  host: string,
  port: number,
  flags: readonly string[],
): [string, string[]] {
  // memcached refuses to run as root without `-u root`.
  const user = name === 'memcached' && process.getuid?.() === 0 ? ['-u', 'root'] : [];
  const memory = flags.includes('-m') ? [] : ['-m', '64'];
  const common = ['-p', String(port), '-l', host, ...memory, ...user, ...flags];
  return name === 'memcached' ? [MEMCACHED, common] : [process.execPath, [MAIN, ...common]];
}
