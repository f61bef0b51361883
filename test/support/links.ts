/**
 * The link that tests of RDMA run over: libfabric's tcp provider on the loopback, or the provider and address in
 * LINK_FABRIC and LINK_HOST (test/rdma runs them over verbs). Without such a link they are skipped, and say so.
 */

import { failed } from '../../src/native/addon.js';
import { type FabricProvider, fabric } from '../../src/native/fabric.js';

export const provider = (process.env['LINK_FABRIC'] ?? 'tcp') as FabricProvider;
/** An address of this machine, and of the device where there is one. */
export const linkHost = process.env['LINK_HOST'] ?? '127.0.0.1';
export const linkFlags = ['--transport', 'rdma', '--fabric', provider] as const;

const found = fabric.fabricFind({ provider, host: linkHost, port: 0, passive: true });
/** The reason why the tests cannot run, or null. */
export const missing = failed(found) ? `${found.call}: ${found.error}` : null;
if (missing !== null) {
  process.stderr.write(`not run: RDMA over ${provider} at ${linkHost} (${missing})\n`);
}

/** Rounds of a repeated test: LINK_ROUNDS for the long run; of takeovers with writes in flight, LINK_FENCINGS. */
export const rounds = Number(process.env['LINK_ROUNDS'] ?? 5);
export const fencings = Number(process.env['LINK_FENCINGS'] ?? rounds);
