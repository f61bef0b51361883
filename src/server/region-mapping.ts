/** Maps the memory of a region, new or found in a file, and refuses a region that must not be served. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { HotspareError } from '../base/errors.js';
import { segmentBytes } from '../base/limits.js';
import type { Settings } from '../flags/settings.js';
import {
  failed,
  type NativeFailure,
  type NativeRegion,
  type RegionOptions,
} from '../native/addon.js';
import { machine, type Ports } from '../native/ports.js';
import type { Journal } from '../store/journal.js';
import {
  type Geometry,
  headBytes,
  layoutVersion,
  magic,
  pagesBytes,
  SuperWord,
  sameGeometry,
} from '../store/layout.js';
import { Region } from '../store/region.js';
import {
  epochOf,
  format,
  type Inspection,
  inspect,
  markInconsistent,
  noMagic,
} from '../store/superblock.js';

export interface MappingOptions {
  /** `-e`: a file, or null for anonymous memory. */
  readonly file: string | null;
  /** `--discard-memory-file`: the content of the file is discarded when it cannot be served. */
  readonly discard: boolean;
  /** `-k`. */
  readonly lockMemory: boolean;
  /** `-L`. */
  readonly hugePages: boolean;
}

/** The ports that memory is mapped with. */
type MemoryPorts = Pick<Ports, 'memory' | 'random'>;

/** The part of a server's settings that says how memory is mapped. */
export function mappingOptions(settings: Settings): MappingOptions {
  const { memoryFile, discardMemoryFile, lockMemory, hugePages } = settings;
  return { file: memoryFile, discard: discardMemoryFile, lockMemory, hugePages };
}

/** Memory that ends with the process. */
export const anonymousMemory: MappingOptions = {
  file: null,
  discard: false,
  lockMemory: false,
  hugePages: false,
};

/** A mapped region: the addon's, and the typed views of it. */
export interface MappedRegion {
  readonly nativeRegion: NativeRegion;
  readonly region: Region;
  /** False when a cache was found in it. */
  readonly fresh: boolean;
  /** The error in the cache that `--discard-memory-file` discarded; null: there was none. */
  readonly gaveUp: string | null;
}

/** Maps a region that is to be served: formats a new region, checks one that is found. Throws HotspareError. */
export function mapRegion(
  geometry: Geometry,
  options: MappingOptions,
  journal: Journal,
  ports: MemoryPorts = machine,
): MappedRegion {
  const { nativeRegion, gaveUp } = mapOwn(geometry, options, ports);
  const head = new Int32Array(nativeRegion.head);
  const found = inspect(head);
  if (found.kind === 'empty')
    return formatted(nativeRegion, geometry, journal, gaveUp, ports.random);
  const reason = unservable(found, geometry, options.file!);
  if (reason === null) {
    return {
      nativeRegion,
      region: new Region(nativeRegion, geometry, journal),
      fresh: false,
      gaveUp,
    };
  }
  // Content that is no hotspare memory file may belong to another program, and the flag does not speak of it.
  const isOurs = head[SuperWord.MAGIC] === magic || found.kind === 'copy';
  if (!options.discard || !isOurs) throw reason;
  ports.memory.regionClose(nativeRegion.id);
  const fresh = open(geometry, options, true, ports);
  return formatted(fresh, geometry, journal, reason.message, ports.random);
}

/** Maps a new region that is to be served; the content of its file is discarded. Throws HotspareError. */
export function mapNew(
  geometry: Geometry,
  options: MappingOptions,
  journal: Journal,
  ports: MemoryPorts = machine,
): MappedRegion {
  return formatted(open(geometry, options, true, ports), geometry, journal, null, ports.random);
}

/** Memory for a copy, all zero and marked as one that must not be served. */
export interface MappedCopy {
  readonly nativeRegion: NativeRegion;
  /** The epoch of a cache that stood in the memory file, and was wiped; null: there was none. */
  readonly gaveUp: number | null;
}

/**
 * Maps memory for a copy of another node's region. The loop goes on meanwhile, as reserving, locking or wiping
 * gigabytes takes seconds. Rejects with HotspareError.
 */
export async function mapCopy(
  geometry: Geometry,
  options: MappingOptions,
  port: Ports['memory'] = machine.memory,
): Promise<MappedCopy> {
  const nativeRegion = await openForCopy(geometry, options, port);
  const head = new Int32Array(nativeRegion.head);
  const found = inspect(head);
  const gaveUp = found.kind === 'region' && !found.inconsistent ? epochOf(head) : null;
  if (!nativeRegion.created) {
    // A wipe may be cut off: the rest of the file must not pass for a cache then.
    markInconsistent(head, true);
    const failure = await new Promise<NativeFailure | null>((done) =>
      port.regionWipeLater(nativeRegion.id, done),
    );
    if (failure !== null) {
      port.regionClose(nativeRegion.id);
      throw cannotMap(failure, options.file, regionBytes(geometry));
    }
  }
  markInconsistent(head, true);
  return { nativeRegion, gaveUp };
}

/** Opens memory as `mapOwn` does, but in a thread. */
async function openForCopy(
  geometry: Geometry,
  options: MappingOptions,
  port: Ports['memory'],
): Promise<NativeRegion> {
  const { file, discard } = options;
  const open = (discards: boolean): Promise<NativeRegion | NativeFailure> =>
    new Promise((done) => port.regionOpenLater(regionOptions(geometry, options, discards), done));
  const bytes = regionBytes(geometry);
  let opened = await open(false);
  if (failed(opened) && file !== null && discard && isOtherRegion(file, bytes)) {
    opened = await open(true);
  }
  if (failed(opened)) throw cannotMap(opened, file, bytes);
  return opened;
}

/** Maps the file that is there; or, where it has another size and may be discarded, new memory. */
function mapOwn(
  geometry: Geometry,
  options: MappingOptions,
  ports: MemoryPorts,
): { nativeRegion: NativeRegion; gaveUp: string | null } {
  try {
    return { nativeRegion: open(geometry, options, false, ports), gaveUp: null };
  } catch (error) {
    const { file, discard } = options;
    const mayGo = file !== null && discard && isOtherRegion(file, regionBytes(geometry));
    if (!mayGo || !(error instanceof HotspareError)) throw error;
    return { nativeRegion: open(geometry, options, true, ports), gaveUp: error.message };
  }
}

function formatted(
  nativeRegion: NativeRegion,
  geometry: Geometry,
  journal: Journal,
  gaveUp: string | null,
  random: Ports['random'],
): MappedRegion {
  const seed = random(8);
  const head = new Int32Array(nativeRegion.head);
  format(head, geometry, [seed.readInt32LE(0), seed.readInt32LE(4)]);
  return { nativeRegion, region: new Region(nativeRegion, geometry, journal), fresh: true, gaveUp };
}

/** The reason why the region that was found must not be served, or null. */
function unservable(found: Inspection, geometry: Geometry, file: string): HotspareError | null {
  const startEmpty = `start empty with --discard-memory-file, or delete ${file}`;
  if (found.kind === 'damaged') {
    const remedy = found.reason === noMagic ? `delete ${file} to start empty` : startEmpty;
    return refusal(`${file} is damaged: ${found.reason}`, remedy);
  }
  if (found.kind === 'version') {
    return refusal(
      `${file} has layout version ${found.version}, this hotspare has ${layoutVersion}`,
      `open it with the hotspare that wrote it, or ${startEmpty}`,
    );
  }
  if (found.kind === 'region' && !sameGeometry(found.geometry, geometry)) {
    return refusal(
      `${file} was made with other -m, -I, -f or -n`,
      `use its flags, or ${startEmpty}`,
    );
  }
  if (found.kind === 'copy' || (found.kind === 'region' && found.inconsistent)) {
    return refusal(`${file} is a standby's copy, and may be half or out of date`, startEmpty);
  }
  return null;
}

function open(
  geometry: Geometry,
  options: MappingOptions,
  discard: boolean,
  ports: MemoryPorts,
): NativeRegion {
  const nativeRegion = ports.memory.regionOpen(regionOptions(geometry, options, discard));
  if (failed(nativeRegion)) throw cannotMap(nativeRegion, options.file, regionBytes(geometry));
  return nativeRegion;
}

function regionOptions(
  geometry: Geometry,
  { file, lockMemory, hugePages }: MappingOptions,
  discard: boolean,
): RegionOptions {
  return {
    headBytes: headBytes(geometry),
    pagesBytes: pagesBytes(geometry),
    segmentBytes,
    file,
    discard,
    lockMemory,
    hugePages,
  };
}

function cannotMap(
  { call, error }: NativeFailure,
  file: string | null,
  bytes: number,
): HotspareError {
  if (call === 'flock') {
    return refusal(
      `${file} is in use by another process`,
      'stop that process, or name another file',
    );
  }
  if (call === 'owner') {
    return refusal(
      `${file} belongs to another user, who may change it while it is served`,
      `give it to the user of this process with chown, or name another file`,
    );
  }
  if (call === 'link') {
    return refusal(`${file} is a symlink of another user`, 'name the file that it leads to');
  }
  if (call === 'mode') {
    return refusal(`every user may write to ${file}`, `chmod 600 ${file}, or name another file`);
  }
  if (call === 'size') {
    return refusal(
      `${file} is not ${bytes} bytes long: it was made with other -m or -I, or is no hotspare memory file`,
      `use its flags; or start empty: with --discard-memory-file if it is one, else delete ${file}`,
    );
  }
  const mebibytes = Math.ceil(bytes / 2 ** 20);
  if (call === 'mlock') {
    return new HotspareError(
      'MEMORY',
      `-k: cannot lock ${mebibytes} MiB of memory: ${call}: ${error}`,
      'raise ulimit -l, or leave -k out',
    );
  }
  return new HotspareError(
    'MEMORY',
    `cannot map ${mebibytes} MiB of ${file ?? 'memory'}: ${call}: ${error}`,
    file === null ? 'choose a smaller -m' : 'check the path, its rights and the space on its disk',
  );
}

/** True for a hotspare memory file of another size. */
function isOtherRegion(file: string, bytes: number): boolean {
  let descriptor = -1;
  try {
    descriptor = openSync(file, 'r');
    const word = Buffer.alloc(4);
    readSync(descriptor, word, 0, 4, SuperWord.MAGIC * 4);
    return fstatSync(descriptor).size !== bytes && word.readInt32LE(0) === magic;
  } catch {
    // A file that cannot be read cannot be mapped either, and the error of mapping is reported.
    return false;
  } finally {
    if (descriptor >= 0) closeSync(descriptor);
  }
}

function regionBytes(geometry: Geometry): number {
  return headBytes(geometry) + pagesBytes(geometry);
}

function refusal(sentence: string, remedy: string): HotspareError {
  return new HotspareError('REGION', sentence, remedy);
}
