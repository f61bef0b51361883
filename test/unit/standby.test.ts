/** A standby and its primary in one process, over a fabric that fails. */
import { afterEach, expect, test } from '@jest/globals';
import { noClients } from '../../backup/channel/hello.js';
import type { MirrorSettings } from '../../backup/mirror-settings.js';
import { Primary } from '../../backup/primary/primary.js';
import { Standby } from '../../backup/standby/standby.js';
import { lonePrimaryVerdicts } from '../../failover/primary-verdicts.js';
import { defaults } from '../../src/flags/settings.js';
import type { FabricFunctions, NativeFabric } from '../../src/native/fabric.js';
import { machine } from '../../src/native/ports.js';
import { Wire } from '../../src/net/wire.js';
import { anonymousMemory, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf } from '../../src/store/layout.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const mirrorSettings: MirrorSettings = {
  linkListen: null,
  secret: new Uint8Array(0),
  ack: 'sync',
  ackTimeoutMs: 600_000,
  heartbeatMs: 20,
  deadAfterMs: 100_000,
  linkPreference: 'rdma',
  provider: 'tcp',
  spinUs: 0,
  cipher: 'none',
  standbysMost: 1,
  standbysRequired: 0,
  node: 'n',
};
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
  const { region, nativeRegion } = mapRegion(
    geometryOf({ ...defaults, memoryBytes: 2 ** 21 }),
    anonymousMemory,
    new Journal(),
  );
  const primary = new Primary({
    wire,
    region,
    regionId: nativeRegion.id,
    mirrorSettings,
    log: { say: () => {}, detail: () => {} },
    sequence: 0,
    changes: () => 0,
    clients: () => noClients,
    verdicts: lonePrimaryVerdicts(1),
    events: { synced: () => {}, detached: () => {}, deposed: () => {} },
  });
  ends.push(() => {
    primary.end();
    machine.memory.regionClose(nativeRegion.id);
  });
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
