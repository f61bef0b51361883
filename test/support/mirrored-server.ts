/**
 * hotspare with an attached standby on this machine: every reply waits for the standby, as in production (`--ack sync`,
 * over TCP).
 */

import { freePort } from '../../failover/drill/free-port.js';
import { hotspare, said } from './nodes.js';
import { type Server, startProgram } from './server.js';

/** A busy machine must not turn a test into a takeover, nor drop the standby. */
const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];

/**
 * Starts both nodes; resolves once the standby is in sync. `stop` ends the standby first, which would take over
 * otherwise.
 */
export async function startMirrored(flags: readonly string[] = []): Promise<Server> {
  const link = `127.0.0.1:${await freePort()}`;
  const primary = await startProgram('hotspare', ['--link-listen', link, ...patient, ...flags]);
  const at = ['-l', primary.host, '-p', String(await freePort())];
  const standby = await hotspare('standby', '--of', link, ...at, ...patient);
  const stop = async () => {
    await standby.end();
    await primary.stop();
  };
  try {
    // The log tells, as with -Y a client without a password gets no statistics.
    await said(standby, /in sync with .*: ready to take over/);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...primary, stop };
}
