/** Maps the memory a region lives in, new or found in a file, and refuses what must not be served. */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { HotspareError } from './errors.js';
import type { Journal } from './journal.js';
import { segmentBytes } from './limits.js';
import { failed, type NativeFailure, type NativeRegion, native } from './native.js';
import type { Settings } from './options.js';
import {
  type Geometry,
  headBytes,
  layoutVersion,
  magic,
  pagesBytes,
  SuperWord,
  sameGeometry,
} from './store/layout.js';
import { format, type Inspection, inspect, noMagic } from './store/open.js';
import { Region } from './store/region.js';

export interface MemoryOptions {
  /** `-e`: a file, or null for anonymous memory. */
  readonly file: string | null;
  /** `--discard-memory-file`: what the file holds is given up when it cannot be served. */
  readonly discard: boolean;
  /** `-k`. */
  readonly lockMemory: boolean;
  /** `-L`. */
  readonly hugePages: boolean;
}

/** The part of a server's settings that says how memory is mapped. */
export function memoryOptions(settings: Settings): MemoryOptions {
  const { memoryFile, discardMemoryFile, lockMemory, hugePages } = settings;
  return { file: memoryFile, discard: discardMemoryFile, lockMemory, hugePages };
}

/** Memory that ends with the process. */
export const anonymous: MemoryOptions = {
  file: null,
  discard: false,
  lockMemory: false,
  hugePages: false,
};

/** Memory that is mapped, and the typed views of it. */
export interface Mapped {
  readonly memory: NativeRegion;
  readonly region: Region;
  /** False when a cache was found in it. */
  readonly fresh: boolean;
  /** What was wrong with the cache that `--discard-memory-file` gave up; null: there was none. */
  readonly gaveUp: string | null;
}

/** Maps a region that is to be served: formats a new one, checks one that is found. Throws HotspareError. */
export function mapRegion(geometry: Geometry, options: MemoryOptions, journal: Journal): Mapped {
  const { memory, gaveUp } = mapOwn(geometry, options);
  const head = new Int32Array(memory.head);
  const found = inspect(head);
  if (found.kind === 'empty') return formatted(memory, geometry, journal, gaveUp);
  const reason = unservable(found, geometry, options.file!);
  if (reason === null) {
    return { memory, region: new Region(memory, geometry, journal), fresh: false, gaveUp };
  }
  // What is no hotspare memory file may be somebody's: nobody asked for that to be given up.
  if (!options.discard || head[SuperWord.MAGIC] !== magic) throw reason;
  native.regionClose(memory.id);
  return formatted(open(geometry, options, true), geometry, journal, reason.message);
}

/** Maps memory for a copy of somebody else's region; `created` when it is all zero. Throws HotspareError. */
export function mapMemory(geometry: Geometry, options: MemoryOptions): NativeRegion {
  return mapOwn(geometry, options).memory;
}

/** Maps what is there, or, where that has another size and may be given up, new memory. */
function mapOwn(
  geometry: Geometry,
  options: MemoryOptions,
): { memory: NativeRegion; gaveUp: string | null } {
  try {
    return { memory: open(geometry, options, false), gaveUp: null };
  } catch (error) {
    const { file, discard } = options;
    const mayGo = file !== null && discard && isOtherRegion(file, regionBytes(geometry));
    if (!mayGo || !(error instanceof HotspareError)) throw error;
    return { memory: open(geometry, options, true), gaveUp: error.message };
  }
}

function formatted(
  memory: NativeRegion,
  geometry: Geometry,
  journal: Journal,
  gaveUp: string | null,
): Mapped {
  const seed = randomBytes(8);
  const head = new Int32Array(memory.head);
  format(head, geometry, [seed.readInt32LE(0), seed.readInt32LE(4)]);
  return { memory, region: new Region(memory, geometry, journal), fresh: true, gaveUp };
}

/** Why what was found must not be served, or null. */
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
  if (found.kind === 'region' && found.inconsistent) {
    return refusal(`${file} is a standby's copy, and may be half or out of date`, startEmpty);
  }
  return null;
}

function open(geometry: Geometry, options: MemoryOptions, discard: boolean): NativeRegion {
  const { file, lockMemory, hugePages } = options;
  const memory = native.regionOpen({
    headBytes: headBytes(geometry),
    pagesBytes: pagesBytes(geometry),
    segmentBytes,
    file,
    discard,
    lockMemory,
    hugePages,
  });
  if (failed(memory)) throw cannotMap(memory, file, regionBytes(geometry));
  return memory;
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

/** True of a hotspare memory file of another size. */
function isOtherRegion(file: string, bytes: number): boolean {
  let descriptor = -1;
  try {
    descriptor = openSync(file, 'r');
    const word = Buffer.alloc(4);
    readSync(descriptor, word, 0, 4, SuperWord.MAGIC * 4);
    return fstatSync(descriptor).size !== bytes && word.readInt32LE(0) === magic;
  } catch {
    // Whatever keeps it from being read keeps it from being mapped, and is said there.
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
