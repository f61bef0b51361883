/**
 * Requests, built before they are sent: a pool of them stands one after another in one buffer, so that sending a batch
 * takes one copy. The value of a key is known from the key and a tag, so that any reply can be checked.
 */
import type { Workload } from './workloads.js';

/** Tags of the values that the keys are loaded with, and that measured sets write. */
export const Tag = { LOADED: 'L', WRITTEN: 'W' } as const;

const poolRequestsMost = 65_536;
const poolBytesMost = 48 * 2 ** 20;

/** Keys have one width, so that every reply to a get has one length. */
export function keyText(number: number): string {
  return `bench:${String(number).padStart(8, '0')}`;
}

export function valueText(key: string, tag: string, bytes: number): string {
  return `${tag}${key}`.repeat(Math.ceil(bytes / (key.length + 1))).slice(0, bytes);
}

export function setText(key: string, tag: string, bytes: number, noreply: boolean): string {
  return `set ${key} 0 0 ${bytes}${noreply ? ' noreply' : ''}\r\n${valueText(key, tag, bytes)}\r\n`;
}

export function metaSetText(key: string, tag: string, bytes: number): string {
  return `ms ${key} ${bytes}\r\n${valueText(key, tag, bytes)}\r\n`;
}

export class Requests {
  readonly workload: Workload;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Batches of `depth` requests in the pool. */
  readonly batches: number;
  /** Where each batch begins; one more entry says where the last ends. */
  readonly starts: Int32Array;
  /** Bytes of all replies to each batch. */
  readonly replyBytes: Int32Array;
  /** Keys of request r stand at r * keysPerGet and after; a set has its key there, and then -1. */
  readonly keys: Int32Array;
  readonly isSet: Uint8Array;
  /** True when the server sends its input back. */
  private readonly echoes: boolean;

  constructor(workload: Workload, echoes: boolean, random: () => number) {
    const { depth, keysPerGet, setPercent, valueBytes } = workload;
    this.workload = workload;
    this.echoes = echoes;
    const each = (setPercent > 0 ? valueBytes : 0) + 64 + 16 * keysPerGet;
    const count = Math.min(poolRequestsMost, Math.floor(poolBytesMost / each));
    this.batches = Math.floor(count / depth);
    this.starts = new Int32Array(this.batches + 1);
    this.replyBytes = new Int32Array(this.batches);
    this.keys = new Int32Array(this.batches * depth * keysPerGet).fill(-1);
    this.isSet = new Uint8Array(this.batches * depth);
    const texts: string[] = [];
    let at = 0;
    for (let request = 0; request < this.batches * depth; request++) {
      const text = this.draw(request, random);
      const batch = Math.floor(request / depth);
      texts.push(text);
      at += text.length;
      this.starts[batch + 1] = at;
      this.replyBytes[batch]! += echoes ? text.length : this.lengthOfReply(request);
    }
    this.bytes = new Uint8Array(Buffer.from(texts.join(''), 'latin1'));
    this.buffer = this.bytes.buffer as ArrayBuffer;
    this.view = new DataView(this.buffer);
  }

  /** True when `text` is the right reply to a batch, as a whole. */
  isRight(batch: number, text: string): boolean {
    const { depth } = this.workload;
    if (this.echoes) return text === this.textOf(batch);
    let at = 0;
    for (let request = batch * depth; request < (batch + 1) * depth; request++) {
      const found = this.replyTags
        .map((tag) => this.reply(request, tag))
        .find((reply) => text.startsWith(reply, at));
      if (found === undefined) return false;
      at += found.length;
    }
    return at === text.length;
  }

  /** Numbers of the keys that the sets of a batch of the pool write. */
  keysWritten(batch: number): number[] {
    const { depth, keysPerGet } = this.workload;
    const numbers: number[] = [];
    for (let request = batch * depth; request < (batch + 1) * depth; request++) {
      if (this.isSet[request] === 1) numbers.push(this.keys[request * keysPerGet]!);
    }
    return numbers;
  }

  /**
   * The tags that a reply may show. A multiget could see both tags in one reply, which its many keys forbid to check:
   * so workloads with multigets have no sets.
   */
  private get replyTags(): readonly string[] {
    return this.workload.setPercent > 0 ? [Tag.WRITTEN, Tag.LOADED] : [Tag.LOADED];
  }

  private draw(request: number, random: () => number): string {
    const { keysPerGet, keys, setPercent, valueBytes, protocol } = this.workload;
    const first = request * keysPerGet;
    const draw = (): number => Math.floor(random() * keys);
    if (random() * 100 < setPercent) {
      this.isSet[request] = 1;
      this.keys[first] = draw();
      const key = keyText(this.keys[first]!);
      if (protocol === 'meta') return metaSetText(key, Tag.WRITTEN, valueBytes);
      return setText(key, Tag.WRITTEN, valueBytes, false);
    }
    for (let i = 0; i < keysPerGet; i++) this.keys[first + i] = draw();
    if (protocol === 'meta') return `mg ${keyText(this.keys[first]!)} v\r\n`;
    return `get ${this.keysOf(request).join(' ')}\r\n`;
  }

  private keysOf(request: number): string[] {
    const { keysPerGet } = this.workload;
    const numbers = this.keys.subarray(request * keysPerGet, (request + 1) * keysPerGet);
    return [...numbers].map(keyText);
  }

  private lengthOfReply(request: number): number {
    const { keysPerGet, valueBytes, protocol } = this.workload;
    const meta = protocol === 'meta';
    if (this.isSet[request] === 1) return meta ? metaStored.length : stored.length;
    if (meta) return `VA ${valueBytes}\r\n`.length + valueBytes + 2;
    const line = `VALUE ${keyText(0)} 0 ${valueBytes}\r\n`;
    return keysPerGet * (line.length + valueBytes + 2) + end.length;
  }

  private reply(request: number, tag: string): string {
    const { valueBytes, protocol } = this.workload;
    const meta = protocol === 'meta';
    if (this.isSet[request] === 1) return meta ? metaStored : stored;
    if (meta) {
      const key = keyText(this.keys[request]!);
      return `VA ${valueBytes}\r\n${valueText(key, tag, valueBytes)}\r\n`;
    }
    const items = this.keysOf(request).map(
      (key) => `VALUE ${key} 0 ${valueBytes}\r\n${valueText(key, tag, valueBytes)}\r\n`,
    );
    return `${items.join('')}${end}`;
  }

  private textOf(batch: number): string {
    return latin1(this.bytes, this.starts[batch]!, this.starts[batch + 1]!);
  }
}

const stored = 'STORED\r\n';
const metaStored = 'HD\r\n';
const end = 'END\r\n';

export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

/** A generator of numbers in [0, 1): mulberry32 (Tommy Ettinger). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
