/** Maps the memory a region lives in, new or found in a file, and refuses what must not be served. */
import { randomBytes } from 'node:crypto';
import { HotspareError } from './errors.js';
import type { Journal } from './journal.js';
import { segmentBytes } from './limits.js';
import { failed, type NativeRegion, native } from './native.js';
import {
  type Geometry,
  headBytes,
  layoutVersion,
  pagesBytes,
  sameGeometry,
} from './store/layout.js';
import { format, inspect } from './store/open.js';
import { Region } from './store/region.js';

export interface MemoryOptions {
  /** `-e`: a file, or null for anonymous memory. */
  readonly file: string | null;
}

/** Memory that is mapped, and the typed views of it. */
export interface Mapped {
  readonly memory: NativeRegion;
  readonly region: Region;
  /** False when a cache was found in it. */
  readonly fresh: boolean;
}

/** Maps a region that is to be served: formats a new one, checks one that is found. Throws HotspareError. */
export function mapRegion(geometry: Geometry, options: MemoryOptions, journal: Journal): Mapped {
  const memory = mapMemory(geometry, options);
  const head = new Int32Array(memory.head);
  const found = inspect(head);
  if (found.kind === 'empty') {
    const seed = randomBytes(8);
    format(head, geometry, [seed.readInt32LE(0), seed.readInt32LE(4)]);
  } else {
    const file = options.file!;
    const startEmpty = `delete ${file} to start empty`;
    if (found.kind === 'damaged') {
      throw refusal(`${file} is damaged: ${found.reason}`, startEmpty);
    }
    if (found.kind === 'version') {
      throw refusal(
        `${file} has layout version ${found.version}, this hotspare has ${layoutVersion}`,
        `open it with the hotspare that wrote it, or ${startEmpty}`,
      );
    }
    if (!sameGeometry(found.geometry, geometry)) {
      throw refusal(
        `${file} was made with other -m, -I, -f or -n`,
        `use its flags, or ${startEmpty}`,
      );
    }
    if (found.inconsistent) {
      throw refusal(`${file} is a standby's copy, and may be half or out of date`, startEmpty);
    }
  }
  return { memory, region: new Region(memory, geometry, journal), fresh: found.kind === 'empty' };
}

/** Maps all-zero memory for a copy of somebody else's region. Throws HotspareError. */
export function mapMemory(geometry: Geometry, options: MemoryOptions): NativeRegion {
  const memory = native.regionOpen({
    headBytes: headBytes(geometry),
    pagesBytes: pagesBytes(geometry),
    segmentBytes,
    file: options.file,
    lockMemory: false,
    hugePages: false,
  });
  if (!failed(memory)) return memory;
  const { file } = options;
  const bytes = headBytes(geometry) + pagesBytes(geometry);
  if (memory.call === 'flock') {
    throw refusal(
      `${file} is in use by another process`,
      'stop that process, or name another file',
    );
  }
  if (memory.call === 'size') {
    throw refusal(
      `${file} is not ${bytes} bytes long: it was made with other -m or -I, or is no hotspare memory file`,
      `use its flags, or delete ${file} to start empty`,
    );
  }
  const where = file === null ? 'memory' : file;
  throw new HotspareError(
    'MEMORY',
    `cannot map ${Math.ceil(bytes / 2 ** 20)} MiB of ${where}: ${memory.call}: ${memory.error}`,
    file === null ? 'choose a smaller -m' : 'check the path, its rights and the space on its disk',
  );
}

function refusal(sentence: string, remedy: string): HotspareError {
  return new HotspareError('REGION', sentence, remedy);
}
