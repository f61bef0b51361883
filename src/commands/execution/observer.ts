/**
 * Observers of running commands: watchers (`watch`) and prefix statistics (`stats detail`). The path of a request only
 * asks `on`; the work behind it may take time, as a client has asked for it.
 */
import { PrefixCounts } from '../../stats/prefix-counts.js';
import {
  EXPTIME,
  headerBytes,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from '../../store/layout.js';
import { Miss, type Store } from '../../store/store.js';
import { Topic, Watchers } from './watchers.js';

/** The observer's view of the request that is served. */
export interface Scene {
  /** Unix time of this tick, in ms. */
  wallMs(): number;
  /** Descriptor of the connection that is being served. */
  descriptor(): number;
  /**
   * A line was written, which costs more than the command itself; `full`: this tick must end, as it has so many lines.
   */
  wrote(full: boolean): void;
}

/** Names of the verbs, in the order of `Verb`. */
const verbs = ['set', 'add', 'replace', 'append', 'prepend', 'cas'] as const;
const misses: Readonly<Record<number, string>> = {
  [Miss.ABSENT]: 'not_found',
  [Miss.EXPIRED]: 'expired',
  [Miss.FLUSHED]: 'flushed',
};

export type StoreStatus =
  | 'stored'
  | 'not_stored'
  | 'exists'
  | 'not_found'
  | 'too_large'
  | 'no_memory';

export class Observer {
  /** True while there are watchers, or prefixes are counted. */
  on = false;
  readonly prefixes = new PrefixCounts();
  readonly watchers = new Watchers();
  scene: Scene = { wallMs: () => 0, descriptor: () => -1, wrote: () => {} };
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
    store.onEvicted = (ref, idleSeconds, fetched) => {
      if (this.on) this.evicted(ref, idleSeconds, fetched);
    };
  }

  /** Must be called whenever watchers or prefixes are turned on or off. */
  update(): void {
    this.on = this.prefixes.on || this.watchers.topics !== 0;
  }

  /** A client has read a key; `ref` is 0 when there was no item. */
  got(view: DataView, at: number, length: number, ref: number): void {
    this.prefixes.count(view, at, length, 'get');
    if (ref !== 0) this.prefixes.count(view, at, length, 'hit');
    this.looked(view, at, length, ref);
  }

  /** A key was looked up, by any command. */
  looked(view: DataView, at: number, length: number, ref: number): void {
    if ((this.watchers.topics & Topic.fetchers) === 0) return;
    const status = ref === 0 ? misses[this.store.miss] : 'found';
    this.log(
      Topic.fetchers,
      `type=item_get key=${uriOf(view, at, length)} status=${status} clsid=${this.classOf(ref)} ` +
        `cfd=${this.scene.descriptor()} size=${this.valueLength(ref)}`,
    );
  }

  sets(view: DataView, at: number, length: number): void {
    this.prefixes.count(view, at, length, 'set');
  }

  deletes(view: DataView, at: number, length: number): void {
    this.prefixes.count(view, at, length, 'del');
  }

  /** A storage command is done, well or not; `ref` is the chunk with its value, 0 when there is none. */
  stored(
    view: DataView,
    at: number,
    length: number,
    status: StoreStatus,
    verb: number,
    exptime: number,
    ref: number,
  ): void {
    if ((this.watchers.topics & Topic.mutations) === 0) return;
    const ttl = exptime === 0 ? 0 : Math.max(0, exptime - this.store.now);
    this.log(
      Topic.mutations,
      `type=item_store key=${uriOf(view, at, length)} status=${status} cmd=${verbs[verb]} ttl=${ttl} ` +
        `clsid=${this.classOf(ref)} cfd=${this.scene.descriptor()} size=${this.valueLength(ref)}`,
    );
  }

  /** A client deletes an item; the item is still linked. */
  deleted(ref: number, command: 'delete' | 'md'): void {
    if ((this.watchers.topics & Topic.deletions) === 0) return;
    const text = `type=deleted key=${this.keyOf(ref)} cmd=${command} clsid=${this.classOf(ref)}`;
    this.log(Topic.deletions, `${text} size=${this.valueLength(ref)}`);
  }

  /** A connection was opened; `address` is as the transport writes it. */
  opened(address: string, descriptor: number): void {
    this.log(Topic.connevents, `type=conn_new ${peer(address)} cfd=${descriptor}`);
  }

  closed(address: string, reason: string, descriptor: number): void {
    const text = `type=conn_close ${peer(address)} reason=${reason} cfd=${descriptor}`;
    this.log(Topic.connevents, text);
  }

  private evicted(ref: number, idleSeconds: number, fetched: boolean): void {
    const { region, now } = this.store;
    const words = region.wordsOf(ref);
    const index = region.indexOf(ref);
    const exptime = words[index + EXPTIME]! >>> 0;
    const ttl = exptime === 0 ? -1 : exptime - now;
    this.log(
      Topic.evictions,
      `type=eviction key=${this.keyOf(ref)} fetch=${fetched ? 'yes' : 'no'} ttl=${ttl} ` +
        `la=${idleSeconds} clsid=${this.classOf(ref)} size=${this.valueLength(ref)}`,
    );
  }

  private log(topic: number, text: string): void {
    const { scene, watchers } = this;
    watchers.log(topic, scene.wallMs(), text);
    scene.wrote(watchers.isFull);
  }

  private keyOf(ref: number): string {
    const { region } = this.store;
    const index = region.indexOf(ref);
    const view = region.views[(ref - 1) >>> region.segmentShift]!;
    const length = region.wordsOf(ref)[index + KEY_AND_BITS]! & keyLengthMask;
    return uriOf(view, index * 4 + headerBytes, length);
  }

  private classOf(ref: number): number {
    return ref === 0 ? 0 : this.store.slabs.classOf(ref).number;
  }

  private valueLength(ref: number): number {
    if (ref === 0) return 0;
    const { region } = this.store;
    return region.wordsOf(ref)[region.indexOf(ref) + VALUE_LENGTH]!;
  }
}

/** `rip=… rport=… transport=…` of an address such as tcp:1.2.3.4:5, tcp6:[::1]:5, unix:/path. */
function peer(address: string): string {
  const internet = /^(tcp|udp)6?:\[?([^\]]*?)\]?:(\d+)$/.exec(address);
  if (internet !== null) {
    return `rip=${internet[2]} rport=${internet[3]} transport=${internet[1]}`;
  }
  const name = address === '' ? 'unknown' : 'unix';
  return `rip=${name} rport=0 transport=${address === '' ? 'unknown' : 'local'}`;
}

/** A key with every byte escaped that is not a letter, a digit or one of -._~ */
function uriOf(view: DataView, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += escaped[view.getUint8(at + i)]!;
  return text;
}

/** Each byte in the form that a URI needs. */
const escaped = Array.from({ length: 256 }, (_, byte) => {
  const letter = String.fromCharCode(byte);
  const code = byte.toString(16).toUpperCase().padStart(2, '0');
  return /[A-Za-z0-9\-._~]/.test(letter) ? letter : `%${code}`;
});
