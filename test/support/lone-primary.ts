/** A primary without clients, and the settings of a mirror, for tests that play the rest of a node. */
import { noClients } from '../../backup/channel/hello.js';
import type { MirrorSettings } from '../../backup/mirror-settings.js';
import { Primary, type PrimaryParts } from '../../backup/primary/primary.js';
import { lonePrimaryVerdicts } from '../../failover/primary-verdicts.js';
import { defaults } from '../../src/flags/settings.js';
import { machine } from '../../src/native/ports.js';
import type { Wire } from '../../src/net/wire.js';
import { anonymousMemory, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf } from '../../src/store/layout.js';

/** A mirror over TCP with one standby, without a secret, in which nobody is found silent or late; `fields` differ. */
export function mirrorSettingsWith(fields: Partial<MirrorSettings> = {}): MirrorSettings {
  return {
    linkListen: null,
    secret: new Uint8Array(0),
    ack: 'sync',
    ackTimeoutMs: 600_000,
    heartbeatMs: 20,
    deadAfterMs: 100_000,
    linkPreference: 'tcp',
    provider: null,
    spinUs: 0,
    cipher: 'auto',
    standbysMost: 1,
    standbysRequired: 0,
    node: 'n',
    ...fields,
  };
}

type Needed = 'wire' | 'region' | 'regionId' | 'mirrorSettings';

/** A primary over this region, whose other parts say and tell nothing. */
export function lonePrimary(parts: Pick<PrimaryParts, Needed> & Partial<PrimaryParts>): Primary {
  return new Primary({
    log: { say: () => {}, detail: () => {} },
    sequence: 0,
    changes: () => 0,
    clients: () => noClients,
    verdicts: lonePrimaryVerdicts(parts.mirrorSettings.standbysMost),
    events: { synced: () => {}, detached: () => {}, deposed: () => {} },
    ...parts,
  });
}

/** A primary over a small region of its own; `end` unmaps it. */
export function smallPrimary(
  wire: Wire,
  mirrorSettings: MirrorSettings,
): { readonly primary: Primary; end(): void } {
  const { region, nativeRegion } = mapRegion(
    geometryOf({ ...defaults, memoryBytes: 2 ** 21 }),
    anonymousMemory,
    new Journal(),
  );
  const primary = lonePrimary({ wire, region, regionId: nativeRegion.id, mirrorSettings });
  const end = (): void => {
    primary.end();
    machine.memory.regionClose(nativeRegion.id);
  };
  return { primary, end };
}
