/** A standby and its primary in one process, over a fabric that fails. */
import { afterEach, expect, test } from '@jest/globals';
import { Standby } from '../../backup/standby/standby.js';
import type { FabricFunctions, NativeFabric } from '../../src/native/fabric.js';
import { machine } from '../../src/native/ports.js';
import { Wire } from '../../src/net/wire.js';
import { anonymousMemory } from '../../src/server/region-mapping.js';
import { mirrorSettingsWith, smallPrimary } from '../support/lone-primary.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const mirrorSettings = mirrorSettingsWith({
  linkPreference: 'rdma',
  provider: 'tcp',
  cipher: 'none',
});
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

/** A fabric that every provider offers, and whose ends open as `fabricOpen` says. */
function wireOver(fabricOpen: FabricFunctions['fabricOpen']): Wire {
  const fabric: FabricFunctions = {
    fabricVersion: () => '1.17',
    fabricFind: () => ({ device: 'none', inlineBytes: 0, queueLength: 1 }) as never,
    fabricOpen,
  };
  const ports = { ...machine, network: { ...machine.network, fabric } };
  const wire = new Wire({ connectionsMax: 160, ports });
  ends.push(() => wire.transport.destroy());
  return wire;
}

function listenAt(wire: Wire): number {
  const { primary, end } = smallPrimary(wire, mirrorSettings);
  ends.push(end);
  return primary.listen(host, 0);
}

// The node's role went on to copy over a connection that was gone, and its pause before the next attempt was an
// observation that no copying node makes: an assertion ended the process.
test('a standby whose end of an RDMA link fails at once refuses, and is not welcomed after that', async () => {
  const passiveEnd = { listen: () => 1, disconnect: () => {}, close: () => {} };
  const port = listenAt(wireOver(() => passiveEnd as never as NativeFabric));
  const told: string[] = [];
  const wire = wireOver(() => ({ call: 'fi_getinfo', error: 'Cannot allocate memory' }));
  const standby = new Standby(wire, { host, port }, mirrorSettings, anonymousMemory, {
    deposedBy: () => '',
    welcomed: () => void told.push('welcomed'),
    synced: () => void told.push('synced'),
    lost: (reason) => void told.push(`lost: ${reason}`),
    unreachable: (errno) => void told.push(`unreachable: ${errno}`),
    refused: ({ message }) => {
      told.push(message);
      // The events of the same turn of the loop still follow.
      setImmediate(() => told.push('over'));
    },
    dropped: () => void told.push('dropped'),
    met: () => 'mirror',
    outranked: () => void told.push('outranked'),
  });
  ends.push(() => void standby.giveUp());
  standby.attach();
  await until(
    () => `the refusal, not: ${told.join('; ')}`,
    () => told.includes('over'),
  );
  expect(told).toEqual(['--transport rdma: fi_getinfo: Cannot allocate memory', 'over']);
});
