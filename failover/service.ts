/**
 * What a node runs while it reigns: a server over its region, the end of the mirror that standbys attach to, and the
 * heralds that tell of it where somebody else may serve. It does what role.ts says.
 */

import { Primary } from '../backup/primary/primary.js';
import { type BackupSettings, hostOf } from '../backup/settings.js';
import type { PrimaryAddress, Reigning } from '../backup/standby/standby.js';
import { assert, HotspareError } from '../src/base/errors.js';
import { addressText, type Settings } from '../src/flags/options.js';
import type { NativeRegion } from '../src/native/addon.js';
import type { Access } from '../src/net/access.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { type MemoryOptions, mapRegion } from '../src/server/memory.js';
import { Server } from '../src/server/server.js';
import type { Origin } from '../src/server/timeline.js';
import { Journal } from '../src/store/journal.js';
import { geometryOf } from '../src/store/layout.js';
import { epochOf, identityOf } from '../src/store/open.js';
import type { Region } from '../src/store/region.js';
import type { Observe } from './attachment.js';
import { Herald } from './herald.js';
import type { LinkPort } from './link-port.js';
import type { Reporter } from './report.js';
import { verdictsBy } from './verdicts.js';

export interface ServiceParts {
  readonly wire: Wire;
  readonly access: Access;
  readonly settings: Settings;
  readonly backup: BackupSettings;
  readonly log: Log;
  readonly report: Reporter;
  readonly linkPort: LinkPort;
  readonly observe: Observe;
  /** Whether the old primary let standbys attach there. */
  isOld(link: string): boolean;
  /** Another reign goes on; `from`: the host that told us, where it is known. */
  outranked(epoch: number, link: string | null, from: string): void;
}

/** A cache that is open, and whose clients are not answered yet. */
export interface Opened {
  readonly memory: NativeRegion;
  readonly region: Region;
  /** Of the newest batch that replies of this process ever waited for. */
  readonly sequence: number;
  readonly origin: Origin;
}

export class Service {
  readonly server: Server;
  /** Null in a node without a link port. */
  readonly primary: Primary | null;
  private readonly parts: ServiceParts;
  private readonly memory: NativeRegion;
  private readonly head: Int32Array;
  /** One for each place where somebody may still serve; the first goes to the old primary. */
  private heralds: readonly Herald[] = [];
  private isBound = false;

  constructor(parts: ServiceParts, { memory, region, sequence, origin }: Opened) {
    const { wire, access, settings, backup, log } = parts;
    this.parts = parts;
    this.memory = memory;
    this.head = region.head;
    this.server = new Server(wire, memory.segments, region, settings, log, access, origin);
    this.primary = backup.linkListen === null ? null : this.newPrimary(region, sequence);
    if (this.primary !== null) this.server.mirror = this.primary;
  }

  get epoch(): number {
    return epochOf(this.head);
  }

  /** Sequence of the newest batch; replies of this process may wait for it. */
  get sequence(): number {
    return this.primary?.sequence ?? 0;
  }

  /** Tells whoever serves at these addresses who reigns, for as long as this node does. */
  announce(addresses: readonly PrimaryAddress[]): void {
    this.heralds = addresses.map((at) => this.newHerald(at));
  }

  /** Asks whoever is at the old primary's address; an answer, or none, follows, unless this node must give way. */
  ask(): void {
    const [first] = this.heralds;
    assert(first !== undefined, 'only a node that tells of its reign asks for another');
    first.ask((answer) => void this.parts.observe({ what: 'answered', answer }));
  }

  /** Binds the clients' addresses, once. Throws HotspareError. */
  bind(): void {
    if (!this.isBound) this.server.serve();
    this.isBound = true;
  }

  /** The same. Returns why that cannot be done now, or null. */
  tryToBind(): HotspareError | null {
    try {
      this.bind();
      return null;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      return error;
    }
  }

  reportServing(): void {
    const { linkPort, settings, log, report } = this.parts;
    const { port } = this.server.facts;
    const { epoch } = this;
    const where = settings.unixSocket ?? `port ${port}`;
    const standbys =
      linkPort.port === 0 ? 'no standby can attach' : `standbys attach at ${linkPort.text}`;
    log.say(`serving on ${where}, epoch ${epoch}; ${standbys}`);
    report({ event: 'serving', port, linkPort: linkPort.port, epoch });
  }

  /** Closes every connection, unanswered. The region stays mapped until `close`. */
  depose(): void {
    this.endHeralds();
    this.primary?.end();
    this.server.depose();
  }

  endHeralds(): void {
    for (const herald of this.heralds) herald.end();
    this.heralds = [];
  }

  close(): void {
    this.parts.wire.ports.memory.regionClose(this.memory.id);
  }

  /** Writes the memory file to the disk, where there is one. */
  flush(): void {
    const { settings, wire, log } = this.parts;
    if (settings.memoryFile === null) return;
    const failure = wire.ports.memory.regionSync(this.memory.id);
    if (failure === null) return;
    const why = `${failure.call}: ${failure.error}`;
    log.say(`${settings.memoryFile} may not be on its disk, and not outlive the machine: ${why}`);
  }

  private newPrimary(region: Region, sequence: number): Primary {
    const { wire, backup, log, report, observe, outranked, isOld } = this.parts;
    const { server, memory } = this;
    return new Primary({
      wire,
      region,
      memory: memory.id,
      settings: backup,
      log,
      sequence,
      changes: () => server.changes,
      clientPort: () => server.facts.port,
      verdicts: verdictsBy(observe, isOld),
      events: {
        synced: () => report({ event: 'attached' }),
        detached: (_, dropped) => report({ event: 'detached', dropped }),
        deposed: (epoch, link, _, peer) => outranked(epoch, link, hostOf(peer)),
      },
    });
  }

  private newHerald(old: PrimaryAddress): Herald {
    const { wire, backup, log, linkPort, outranked } = this.parts;
    const { server, head, primary } = this;
    const changesWithout = (at: PrimaryAddress): number =>
      primary?.changesWithoutAt(addressText(at.host, at.port)) ?? server.changes;
    return new Herald({
      wire,
      old,
      settings: backup,
      log,
      reign: (at): Reigning => ({
        epoch: epochOf(head),
        cache: identityOf(head),
        changes: changesWithout(at),
        link: linkPort.advertised,
      }),
      outranked: (epoch, at) => {
        const lost = changesWithout(old);
        const gone = lost === 0 ? '' : `; ${lost} changes acknowledged here are lost`;
        log.say(`deposed: epoch ${epoch} reigns now, ours was ${epochOf(head)}${gone}`);
        outranked(epoch, at, '');
      },
    });
  }
}

/** Opens this node's own memory: what stands in the file, or a new cache. Throws HotspareError. */
export function openOwn(
  { wire, settings, log }: ServiceParts,
  options: MemoryOptions,
): Pick<Opened, 'memory' | 'region'> {
  const journal = new Journal();
  const geometry = geometryOf(settings);
  const { memory, region, fresh, gaveUp } = mapRegion(geometry, options, journal, wire.ports);
  if (gaveUp !== null) log.say(`${gaveUp}: given up, and started empty`);
  if (!fresh) log.say(`${settings.memoryFile} holds a cache of epoch ${epochOf(region.head)}`);
  return { memory, region };
}
