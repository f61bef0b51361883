/**
 * `stats detail`: requests counted by key prefix. While it is off it costs nothing; while on, a look-up in a map for
 * each key.
 */
import { prefixesMost } from '../base/limits.js';

interface Counts {
  get: number;
  hit: number;
  set: number;
  del: number;
}

export type Counted = keyof Counts;

export class PrefixCounts {
  on = false;
  /** The byte that ends a prefix; a key without this byte is not counted. */
  delimiter = 0x3a;
  private readonly counts = new Map<string, Counts>();

  count(view: DataView, at: number, length: number, what: Counted): void {
    if (!this.on) return;
    const counts = this.of(view, at, length);
    if (counts !== null) counts[what]++;
  }

  clear(): void {
    this.counts.clear();
  }

  /** The counts as lines, in memcached's form. */
  *lines(): IterableIterator<string> {
    for (const [prefix, { get, hit, set, del }] of this.counts) {
      yield `PREFIX ${prefix} get ${get} hit ${hit} set ${set} del ${del}\r\n`;
    }
  }

  /** The counts of a key's prefix; null when it has none, or when there are too many to count another. */
  private of(view: DataView, at: number, length: number): Counts | null {
    let prefix = '';
    for (let i = 0; ; i++) {
      if (i === length) return null;
      const byte = view.getUint8(at + i);
      if (byte === this.delimiter) break;
      prefix += String.fromCharCode(byte);
    }
    const known = this.counts.get(prefix);
    if (known !== undefined) return known;
    if (this.counts.size === prefixesMost) return null;
    const fresh = { get: 0, hit: 0, set: 0, del: 0 };
    this.counts.set(prefix, fresh);
    return fresh;
  }
}
