/**
 * The side of a node that reigns: a server over its region, the end of the mirror that standbys attach to, and the
 * announcers of its reign where another node may serve. It carries out the actions of role.ts.
 */
import { resolve } from 'node:path';
import { hostOf } from '../backup/channel/channel.js';
import { type ClientAddresses, noClients } from '../backup/channel/hello.js';
import type { Reign } from '../backup/lease/reign.js';
import type { MirrorSettings } from '../backup/mirror-settings.js';
import { Primary } from '../backup/primary/primary.js';
import type { PrimaryAddress, Reigning } from '../backup/standby/standby.js';
import { assert, HotspareError } from '../src/base/errors.js';
import { addressText, type Settings } from '../src/flags/settings.js';
import type { NativeRegion } from '../src/native/addon.js';
import type { Access } from '../src/net/access.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import type { CacheOrigin } from '../src/server/cache-clock.js';
import { type MappingOptions, mapNew, mapRegion } from '../src/server/region-mapping.js';
import { Server } from '../src/server/server.js';
import { Journal } from '../src/store/journal.js';
import { geometryOf } from '../src/store/layout.js';
import type { Region } from '../src/store/region.js';
import { epochOf, identityOf, markInconsistent } from '../src/store/superblock.js';
import type { Observe } from './attachment.js';
import type { LinkPort } from './link-port.js';
import { primaryVerdicts } from './primary-verdicts.js';
import { ReignAnnouncer } from './reign-announcer.js';
import type { Reporter } from './report.js';

/** A reign of another node, which may be unnamed (''). */
export type ReignName = Pick<Reign, 'epoch' | 'node'>;

export interface ServiceParts {
  readonly wire: Wire;
  readonly access: Access;
  readonly settings: Settings;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  readonly report: Reporter;
  readonly linkPort: LinkPort;
  readonly observe: Observe;
  /** Whether this node is the process of the old primary, and was deposed by this node. */
  isOld(node: string, deposedBy: string): boolean;
  /** Another reign goes on. `from`: the host that told us, empty where it is not known. */
  outranked(by: ReignName, link: string | null, from: string): void;
}

/** A cache that is open, and whose clients are not answered yet. */
export interface Opened {
  readonly nativeRegion: NativeRegion;
  readonly region: Region;
  /** Sequence of the newest batch that replies of this process ever waited for. */
  readonly sequence: number;
  readonly origin: CacheOrigin;
}

export class Service {
  readonly server: Server;
  /** Null in a node without a link port. */
  readonly primary: Primary | null;
  private readonly parts: ServiceParts;
  private readonly nativeRegion: NativeRegion;
  private readonly head: Int32Array;
  /** An announcer for each address where another node may still serve; the first knocks at the old primary's. */
  private announcers: readonly ReignAnnouncer[] = [];
  private isBound = false;

  constructor(parts: ServiceParts, { nativeRegion, region, sequence, origin }: Opened) {
    const { wire, access, settings, mirrorSettings, log } = parts;
    this.parts = parts;
    this.nativeRegion = nativeRegion;
    this.head = region.head;
    this.server = new Server(wire, nativeRegion.segments, region, settings, log, access, origin);
    this.primary = mirrorSettings.linkListen === null ? null : this.newPrimary(region, sequence);
    if (this.primary !== null) this.server.mirror = this.primary;
  }

  get epoch(): number {
    return epochOf(this.head);
  }

  /** Sequence of the newest batch; replies of this process may wait for it. */
  get sequence(): number {
    return this.primary?.sequence ?? 0;
  }

  /** Announces this node's reign at these addresses, for as long as it lasts. */
  announce(addresses: readonly PrimaryAddress[]): void {
    this.announcers = addresses.map((at) => this.newAnnouncer(at));
  }

  /**
   * Asks at the old primary's address whether a node went on there. 'answered' follows, unless this node must give way.
   */
  ask(): void {
    const [first] = this.announcers;
    assert(first !== undefined, 'only a node that tells of its reign asks for another');
    first.ask(() => void this.parts.observe({ what: 'answered' }));
  }

  /** Binds the clients' addresses, once. Throws HotspareError. */
  bind(): void {
    if (!this.isBound) this.server.serve();
    this.isBound = true;
  }

  /** Binds as `bind` does. Returns the error where that cannot be done now, or null. */
  tryToBind(): HotspareError | null {
    try {
      this.bind();
      return null;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      return error;
    }
  }

  /** Marks the region as one that must not be served, also not by a later process; or as one that may be. */
  setWhole(isWhole: boolean): void {
    markInconsistent(this.head, !isWhole);
  }

  reportServing(): void {
    const { linkPort, settings, mirrorSettings, log, report } = this.parts;
    const { port } = this.server.statSource;
    const { epoch } = this;
    const where = settings.unixSocket ?? `port ${port}`;
    const standbys =
      linkPort.port === 0 ? 'no standby can attach' : `standbys attach at ${linkPort.text}`;
    log.say(`serving on ${where}, epoch ${epoch}; ${standbys}`);
    const { node } = mirrorSettings;
    report({ event: 'serving', node, port, linkPort: linkPort.port, epoch });
  }

  /** Closes every connection, unanswered. The region stays mapped until `close`. */
  depose(): void {
    this.endAnnouncers();
    this.primary?.end();
    this.server.depose();
  }

  endAnnouncers(): void {
    for (const announcer of this.announcers) announcer.end();
    this.announcers = [];
  }

  close(): void {
    this.parts.wire.ports.memory.regionClose(this.nativeRegion.id);
  }

  /** Writes the memory file to the disk, where there is one. */
  flush(): void {
    const { settings, wire, log } = this.parts;
    if (settings.memoryFile === null) return;
    const failure = wire.ports.memory.regionSync(this.nativeRegion.id);
    if (failure === null) return;
    const why = `${failure.call}: ${failure.error}`;
    log.say(`${settings.memoryFile} may not be on its disk, and not outlive the machine: ${why}`);
  }

  private newPrimary(region: Region, sequence: number): Primary {
    const { wire, settings, mirrorSettings, log, report, observe, outranked, isOld } = this.parts;
    const { server, nativeRegion } = this;
    return new Primary({
      wire,
      region,
      regionId: nativeRegion.id,
      mirrorSettings,
      log,
      sequence,
      changes: () => server.changes,
      clients: () => clientAddresses(server.statSource, settings),
      verdicts: primaryVerdicts(observe, isOld),
      events: {
        synced: (node) => report({ event: 'attached', node }),
        detached: (node, dropped) => report({ event: 'detached', node, dropped }),
        deposed: (reign, link, _, peer) => outranked(reign, link, hostOf(peer)),
      },
    });
  }

  private newAnnouncer(old: PrimaryAddress): ReignAnnouncer {
    const { wire, mirrorSettings, log, linkPort, outranked } = this.parts;
    const { server, head, primary } = this;
    const changesWithout = (at: PrimaryAddress): number =>
      primary?.changesWithoutAt(addressText(at.host, at.port)) ?? server.changes;
    return new ReignAnnouncer({
      wire,
      old,
      mirrorSettings,
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
        outranked({ epoch, node: '' }, at, '');
      },
    });
  }
}

/** Where clients connect; before that is bound, where they will. */
function clientAddresses(
  bound: { readonly port: number; readonly udpPort: number },
  { port, udpPort, unixSocket }: Settings,
): ClientAddresses {
  if (unixSocket !== null) return { ...noClients, clientPath: resolve(unixSocket) };
  return {
    clientPort: bound.port || Math.max(0, port),
    clientUdpPort: bound.udpPort || Math.max(0, udpPort),
    clientPath: '',
  };
}

/** Opens this node's own cache, from the memory file or new. Throws HotspareError. */
export function openOwn(
  { wire, settings, log }: ServiceParts,
  options: MappingOptions,
): Pick<Opened, 'nativeRegion' | 'region'> {
  const journal = new Journal();
  const geometry = geometryOf(settings);
  const mapped = mapRegion(geometry, options, journal, wire.ports);
  const { nativeRegion, region, fresh, gaveUp } = mapped;
  if (gaveUp !== null) log.say(`${gaveUp}: given up, and started empty`);
  if (!fresh) log.say(`${settings.memoryFile} holds a cache of epoch ${epochOf(region.head)}`);
  return { nativeRegion, region };
}

/** Opens an empty cache of this node's own, and gives up what the memory file holds. Throws HotspareError. */
export function openEmpty(
  { wire, settings }: ServiceParts,
  options: MappingOptions,
): Pick<Opened, 'nativeRegion' | 'region'> {
  const mapped = mapNew(geometryOf(settings), options, new Journal(), wire.ports);
  return { nativeRegion: mapped.nativeRegion, region: mapped.region };
}
