/**
 * Answers too long for one tick: every connection (`stats conns`), or the whole cache as lines (`lru_crawler metadump`
 * and `mgdump`, `stats cachedump`, `stats sizes`), which go through the buckets. Each tick writes a slice of them, as
 * the connection takes it, so an answer blocks nobody and needs no memory. An item that changes meanwhile may be in it
 * or not; an item that does not change is in it once, even when it moves to another chunk.
 */
import { memcachedBytes } from '../base/item-size.js';
import { cachedumpBytesMost } from '../base/limits.js';
import type { Wire } from '../net/wire.js';
import { needsEncoding, putBase64 } from '../protocol/base64.js';
import { ascii, lines, type Output } from '../protocol/reply.js';
import { casHigh, casLow } from '../store/cas.js';
import {
  CAS_HIGH,
  CAS_LOW,
  EXPTIME,
  FLAGS,
  headerBytes,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from '../store/layout.js';
import { ChunkState } from '../store/slabs.js';
import type { Store } from '../store/store.js';

/** The step of the sizes that `stats sizes` counts. */
const sizeStepBytes = 32;

const words = {
  key: ascii('key='),
  exp: ascii(' exp='),
  never: ascii('-1'),
  la: ascii(' la='),
  cas: ascii(' cas='),
  fetched: ascii(' fetch=yes cls='),
  unfetched: ascii(' fetch=no cls='),
  size: ascii(' size='),
  metaGet: ascii('mg '),
  base64: ascii(' b'),
  item: ascii('ITEM '),
  bracket: ascii(' ['),
  seconds: ascii(' b; '),
  close: ascii(' s]\r\n'),
};

/** An answer that is written in slices. */
export interface Dump {
  /** Writes what fits now; true when the answer is complete. */
  write(wire: Wire): boolean;
}

/** The connection that such an answer is for. */
export interface Reader {
  /** The answer that is being written. */
  dump: Dump | null;
}

/** Lines that are made as there is room for them (`stats conns`). */
export class LineDump implements Dump {
  private readonly texts: Iterator<string>;

  constructor(texts: Iterator<string>) {
    this.texts = texts;
  }

  write(wire: Wire): boolean {
    while (!wire.isFull()) {
      const { done, value } = this.texts.next();
      if (done === true) {
        wire.output.put(lines.end);
        return true;
      }
      wire.output.text(value);
      // A line may have asked the kernel for addresses, and such a question takes long.
      wire.budget.weigh();
      if (wire.budget.isSpent()) return false;
    }
    return false;
  }
}

abstract class ItemDump implements Dump {
  protected readonly store: Store;
  /** Numbers of the wanted classes; null: all. */
  private readonly wanted: ReadonlySet<number> | null;
  private bucket = 0;

  constructor(store: Store, wanted: ReadonlySet<number> | null) {
    this.store = store;
    this.wanted = wanted;
  }

  write(wire: Wire): boolean {
    const { store } = this;
    const { buckets } = store;
    const { output } = wire;
    while (this.bucket < buckets.count && !this.isEnough) {
      if (wire.isFull()) return false;
      for (let ref = buckets.first(this.bucket++); ref !== 0; ref = buckets.next(ref)) {
        const { number } = store.slabs.classOf(ref);
        if (this.wanted !== null && !this.wanted.has(number)) continue;
        if (!store.isDead(ref) && !this.isEnough) this.item(ref, output);
      }
      if (wire.budget.isSpent()) return false;
    }
    return this.end(wire);
  }

  /** True when no more items are wanted. */
  protected get isEnough(): boolean {
    return false;
  }

  protected abstract item(ref: number, output: Output): void;

  /** Writes the end behind the items, or a part of it; true when it is complete. */
  protected end({ output }: Wire): boolean {
    output.put(lines.end);
    return true;
  }

  protected word(ref: number, word: number): number {
    const { region } = this.store;
    return region.wordsOf(ref)[region.indexOf(ref) + word]! >>> 0;
  }

  /** Bytes of the item as memcached counts them. */
  protected sizeOf(ref: number): number {
    const keyLength = this.word(ref, KEY_AND_BITS) & keyLengthMask;
    return memcachedBytes(keyLength, this.word(ref, VALUE_LENGTH), this.word(ref, FLAGS));
  }

  protected keyOf(ref: number): Uint8Array {
    const { region } = this.store;
    const at = region.indexOf(ref) * 4 + headerBytes;
    const bytes = region.bytes[(ref - 1) >>> region.segmentShift]!;
    return bytes.subarray(at, at + (this.word(ref, KEY_AND_BITS) & keyLengthMask));
  }
}

/** `lru_crawler metadump`. */
export class MetaDump extends ItemDump {
  protected override item(ref: number, output: Output): void {
    const { store } = this;
    const state = store.chunkStateOf(ref);
    const exptime = this.word(ref, EXPTIME);
    write(output, words.key);
    encode(output, this.keyOf(ref));
    write(output, words.exp);
    if (exptime === 0) write(output, words.never);
    else output.decimal(exptime);
    write(output, words.la);
    output.decimal(store.now - store.idleSeconds(state));
    write(output, words.cas);
    output.wide(casLow(store.region, ref), casHigh(store.region, ref));
    write(output, (state & ChunkState.FETCHED) !== 0 ? words.fetched : words.unfetched);
    output.decimal(store.slabs.classOf(ref).number);
    write(output, words.size);
    output.decimal(this.sizeOf(ref));
    output.byte(0x0a);
  }
}

/** `lru_crawler mgdump`: a line for every item that fetches it, its key in base64 where that is needed or was used. */
export class MetaGetDump extends ItemDump {
  protected override item(ref: number, output: Output): void {
    const key = this.keyOf(ref);
    const binary = (this.word(ref, KEY_AND_BITS) & ItemBit.BINARY) !== 0;
    write(output, words.metaGet);
    if (binary || needsEncoding(key, 0, key.length)) {
      putBase64(output, key, 0, key.length);
      write(output, words.base64);
    } else {
      write(output, key);
    }
    output.put(lines.crlf);
  }

  protected override end({ output }: Wire): boolean {
    output.put(lines.metaEnd);
    return true;
  }
}

/** `stats cachedump`: items of one class, up to a number of them (0: as many as memcached would send). */
export class CacheDump extends ItemDump {
  private readonly itemsMost: number;
  private items = 0;
  private bytes = 0;

  constructor(store: Store, slabClass: number, itemsMost: number) {
    super(store, new Set([slabClass]));
    this.itemsMost = itemsMost;
  }

  protected override get isEnough(): boolean {
    const all = this.itemsMost > 0 && this.items >= this.itemsMost;
    return all || this.bytes >= cachedumpBytesMost;
  }

  protected override item(ref: number, output: Output): void {
    const begun = output.at;
    const key = this.keyOf(ref);
    write(output, words.item);
    write(output, key);
    write(output, words.bracket);
    output.decimal(this.word(ref, VALUE_LENGTH));
    write(output, words.seconds);
    output.decimal(this.word(ref, EXPTIME));
    write(output, words.close);
    this.items++;
    this.bytes += output.at - begun;
  }
}

/** `stats sizes`: the number of items of each size, among those stored since it was enabled. */
export class SizesDump extends ItemDump {
  private readonly sinceCas: number;
  private readonly counts = new Map<number, number>();
  private sizes: LineDump | null = null;

  constructor(store: Store, sinceCas: number) {
    super(store, null);
    this.sinceCas = sinceCas;
  }

  protected override item(ref: number): void {
    // Header ids are in order, even where clients see another id.
    const cas = this.word(ref, CAS_LOW) + this.word(ref, CAS_HIGH) * 4294967296;
    if (cas <= this.sinceCas) return;
    const size = Math.ceil(this.sizeOf(ref) / sizeStepBytes) * sizeStepBytes;
    this.counts.set(size, (this.counts.get(size) ?? 0) + 1);
  }

  /** A line for each multiple of 32 that is some item's size: few in any cache that is used. */
  protected override end(wire: Wire): boolean {
    this.sizes ??= new LineDump(this.lines());
    return this.sizes.write(wire);
  }

  private *lines(): Generator<string> {
    const sizes = [...this.counts.keys()].sort((a, b) => a - b);
    for (const size of sizes) yield `STAT ${size} ${this.counts.get(size)}\r\n`;
  }
}

function write(output: Output, bytes: Uint8Array): void {
  output.bytes.set(bytes, output.at);
  output.at += bytes.length;
}

/** A key as memcached writes it into a URI: all but letters, digits and -._~ as %XX. */
function encode(output: Output, key: Uint8Array): void {
  for (const byte of key) {
    if (isUnreserved(byte)) {
      output.byte(byte);
      continue;
    }
    output.byte(0x25);
    output.byte(hexDigits[byte >>> 4]!);
    output.byte(hexDigits[byte & 15]!);
  }
}

const hexDigits = ascii('0123456789ABCDEF');

function isUnreserved(byte: number): boolean {
  const letter = byte | 0x20;
  if (letter >= 0x61 && letter <= 0x7a) return true;
  return (byte >= 0x30 && byte <= 0x39) || '-._~'.includes(String.fromCharCode(byte));
}
