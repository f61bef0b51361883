/** Values of the random commands: of a length that fits a slab class, and never the same bytes twice. */
import { headerBytes } from '../../src/store/layout.js';
import type { RegionReader } from './check-store.js';
import { keys, type Size } from './model.js';

const noise = makeNoise(2 ** 20 + 4096);

/** The value that a command describes: digits, bytes, or as many bytes as its class takes. */
export function bytesOfValue(
  reader: RegionReader,
  key: number,
  size: Size,
  fill: number,
): Uint8Array {
  if (size.is === 'digits') return Buffer.from(size.number, 'latin1');
  const length = size.is === 'bytes' ? size.bytes : lengthIn(reader, key, size);
  const from = (fill * 977) % 4096;
  const value = Buffer.from(noise.subarray(from, from + length));
  if (length > 0) value[0] = 0x78;
  return value;
}

/** The length of a value that needs this class, of the existing classes, or is just too large for all. */
function lengthIn(reader: RegionReader, key: number, size: Size & { is: 'class' }): number {
  const { sizes } = reader;
  const number = 1 + (size.number % (sizes.length - 1));
  const header = headerBytes + keys[key]!.length;
  const least = number === 1 ? 0 : sizes[number - 1]! - header + 1 + size.off;
  const length = size.most ? sizes[number]! - header - size.off : least;
  return Math.max(0, length);
}

/** Bytes that repeat nowhere, so that a mixture of two values shows. */
function makeNoise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}
