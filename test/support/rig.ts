/**
 * A store with its executor and the model beside it. `run` executes a command as a session would, checks its reply
 * against the model, reads the whole region and explains every difference to what it held before: put, removed,
 * touched, evicted or reclaimed, and counted as such. Nothing else may have changed.
 */
import { commandFor } from '../../src/commands.js';
import { Counters } from '../../src/counters.js';
import { Executor } from '../../src/execute.js';
import type { Journal } from '../../src/journal.js';
import { lines, Output } from '../../src/protocol/reply.js';
import { Outcome, Retrieval, StorageRequest } from '../../src/request.js';
import type { Session } from '../../src/session.js';
import { type Geometry, headerBytes } from '../../src/store/layout.js';
import { Region, type RegionMemory } from '../../src/store/region.js';
import { Store } from '../../src/store/store.js';
import { type Busy, checkAdopted, checkStore, type Linked, RegionReader } from './check-store.js';
import {
  endingsOfMetaCount,
  endingsOfMetaDelete,
  endingsOfMetaGet,
  type MetaCount,
  type MetaDelete,
  type MetaGet,
} from './meta-model.js';
import {
  type Command,
  type Ending,
  endingsOfCount,
  endingsOfDelete,
  endingsOfGet,
  endingsOfRefusal,
  endingsOfStorage,
  endingsOfTooLarge,
  endingsOfTouch,
  fits,
  keys,
  type Model,
  type Setting,
  type Size,
  type Storage,
  type Version,
} from './model.js';
import { geometries } from './region.js';

/** Shared by all rigs: a command is in them only while it is executed. */
const input = new ArrayBuffer(2 ** 21);
const inputBytes = Buffer.from(input);
const inputView = new DataView(input);
const output = new Output(new ArrayBuffer(2 ** 18));
const counters = new Counters();
const noise = makeNoise(2 ** 20 + 4096);

/** A storage command whose value is arriving. */
interface Pending {
  readonly command: Storage;
  readonly request: StorageRequest;
  readonly value: Uint8Array;
  readonly exptime: number;
}

/** A value that is being sent from where it stands. */
interface Pin {
  readonly ref: number;
  readonly at: Uint8Array;
  readonly copy: Uint8Array;
}

/** What a command did, as the caller of `run` wants to know. */
interface Ran {
  readonly key: string;
  /** How it may end, given the live item with its key. */
  readonly endings: (old: Version | undefined) => Ending[];
  readonly reply: Buffer;
  /** True when the item with its key must not be evicted for it. */
  readonly shields: boolean;
}

/** Tells which chunks were written to, reported or not. */
class WatchedStore extends Store {
  onReserve: ((ref: number, bytes: number) => void) | null = null;

  override reserve(
    view: DataView,
    at: number,
    keyLength: number,
    hash: number,
    valueLength: number,
    shielded: number,
  ): number {
    const ref = super.reserve(view, at, keyLength, hash, valueLength, shielded);
    if (ref !== 0) this.onReserve?.(ref, headerBytes + keyLength + valueLength);
    return ref;
  }
}

export class Rig {
  readonly memory: RegionMemory;
  readonly geometry: Geometry;
  readonly reader: RegionReader;
  readonly journal: Journal;
  readonly setting: Setting;
  model: Model;
  region!: Region;
  store!: WatchedStore;
  /** Live items that were evicted, and dead ones that were met, by the last command. */
  lost = 0;
  private executor!: Executor;
  private readonly pending: Pending[] = [];
  private readonly pins: Pin[] = [];
  private readonly retrieval = new Retrieval();
  private holds = false;

  constructor(memory: RegionMemory, journal: Journal, setting: Setting, model: Model) {
    this.memory = memory;
    this.geometry = geometries[setting.geometry];
    this.reader = new RegionReader(memory, this.geometry);
    this.journal = journal;
    this.setting = setting;
    this.model = model;
    this.open();
  }

  /** Opens the region again, as after a crash: what arrives, what is sent and what is adopted is forgotten. */
  open(): void {
    this.pending.length = 0;
    this.pins.length = 0;
    const { setting, model } = this;
    const casLast = this.reader.record().casCeiling;
    this.region = new Region(this.memory, this.geometry, this.journal);
    this.store = new WatchedStore(this.region, setting, model.now);
    this.executor = new Executor(this.store, output, counters, true);
    this.executor.line.bytes = inputBytes;
    this.executor.line.view = inputView;
    model.tick(model.now, casLast);
    this.checkFlush();
  }

  /** What is reserved and pinned now, for the checkers. */
  busy(): Busy {
    return {
      reserved: new Set(this.pending.map((pending) => pending.request.ref >>> 0)),
      pinned: new Set(this.pins.map((pin) => pin.ref >>> 0)),
    };
  }

  check(): void {
    checkStore(this.store, this.reader, this.busy());
  }

  checkAdopted(): void {
    checkAdopted(this.store, this.reader, this.busy());
  }

  /** Ends what is under way, as when all connections close. */
  quiesce(): void {
    for (const { request } of this.pending.splice(0)) this.store.cancel(request.ref);
    while (this.pins.length > 0) this.release();
  }

  run(command: Command): void {
    const { store } = this;
    const evictions = store.evictions;
    const reclaimed = store.reclaimed;
    this.lost = 0;
    const ran = this.execute(command);
    if (ran === null) {
      if (command.is !== 'reopen') this.reconcile(new Map(), null, 0, 0);
      return;
    }
    const evicted = store.evictions - evictions;
    if (evicted > 0 && !this.setting.evict) throw new Error('-M evicted an item');
    this.lost = evicted + store.reclaimed - reclaimed;
    const old = this.model.live(ran.key);
    let ending = this.match(ran, old);
    // The item with the key may have been evicted to make room, before the command looked for it.
    if (ending === undefined && evicted > 0) ending = this.match(ran, undefined);
    if (ending === undefined) {
      const reply = ran.reply.toString('latin1').slice(0, 300);
      const expected = JSON.stringify(ran.endings(old).map((one) => shown(one.reply)));
      throw new Error(`${JSON.stringify(command)}: answered ${reply}, expected ${expected}`);
    }
    const removes =
      old !== undefined && (ending.change.is === 'put' || ending.change.is === 'remove');
    this.reconcile(new Map([[ran.key, ending]]), removes ? ran.key : null, this.lost, evicted);
    this.checkFlush();
  }

  /** Every key as `find` has it: the model's live item, and nothing else. Dead ones are unlinked on the way. */
  checkReads(): void {
    for (const key of keys) {
      const length = inputBytes.write(key, 0, 'latin1');
      const { store } = this;
      const ref = store.find(inputView, 0, length, store.hash(inputView, 0, length));
      const live = this.model.live(key);
      if ((ref !== 0) !== (live !== undefined)) throw new Error(`find has ${ref} for ${key}`);
      if (live === undefined) {
        this.model.items.delete(key);
        continue;
      }
      const value = this.bytesOf(ref, live.value.length);
      if (!same(value, live.value)) throw new Error(`find has another value for ${key}`);
    }
  }

  valueOf(key: number, size: Size, fill: number): Uint8Array {
    if (size.is === 'digits') return Buffer.from(size.number, 'latin1');
    const length = size.is === 'bytes' ? size.bytes : this.lengthIn(key, size);
    const from = (fill * 977) % 4096;
    const value = Buffer.from(noise.subarray(from, from + length));
    if (length > 0) value[0] = 0x78;
    return value;
  }

  /** Length of a value that needs this class, of the classes there are, or is just too large for all. */
  private lengthIn(key: number, size: Size & { is: 'class' }): number {
    const { sizes } = this.reader;
    const number = 1 + (size.number % (sizes.length - 1));
    const header = headerBytes + keys[key]!.length;
    const least = number === 1 ? 0 : sizes[number - 1]! - header + 1 + size.off;
    const length = size.most ? sizes[number]! - header - size.off : least;
    return Math.max(0, length);
  }

  private execute(command: Command): Ran | null {
    output.at = 0;
    switch (command.is) {
      case 'store':
        return this.executeStorage(command);
      case 'finish':
        return this.finish();
      case 'delete': {
        const key = keys[command.key]!;
        this.line(`delete ${key}`);
        return this.ran(key, endingsOfDelete);
      }
      case 'touch': {
        const key = keys[command.key]!;
        const exptime = this.model.absolute(command.exptime);
        const { gets } = command;
        this.holds = false;
        const reply = gets
          ? this.retrieve(`gats ${command.exptime} ${key}`, 2)
          : this.line(`touch ${key} ${command.exptime}`);
        return this.ran(key, (old) => endingsOfTouch(key, gets, exptime, old), reply);
      }
      case 'get': {
        const key = keys[command.key]!;
        this.holds = command.hold;
        const reply = this.retrieve(`gets ${key}`, 1);
        return this.ran(key, (old) => endingsOfGet(key, old), reply);
      }
      case 'count': {
        const key = keys[command.key]!;
        this.line(`${command.up ? 'incr' : 'decr'} ${key} ${command.delta}`);
        const endings = (old: Version | undefined) =>
          endingsOfCount(command.up, command.delta, old);
        return { ...this.ran(key, endings), shields: true };
      }
      case 'metaGet':
        return this.metaGet(command);
      case 'metaDelete':
        return this.metaDelete(command);
      case 'metaCount':
        return this.metaCount(command);
      default:
        this.executeRest(command);
        return null;
    }
  }

  private executeRest(command: Command): void {
    const { store, model } = this;
    if (command.is === 'release') this.release();
    else if (command.is === 'reopen') this.open();
    else if (command.is === 'adopt') store.slabs.adoptSome(command.chunks);
    else if (command.is === 'advance') {
      model.tick(model.now + command.seconds, this.casLast());
      store.tick(model.now);
      this.checkFlush();
    } else if (command.is === 'flush') {
      this.line(command.delay === 0 ? 'flush_all' : `flush_all ${command.delay}`);
      const at = model.absolute(command.delay);
      model.flush = { cas: model.flush.cas, at: at === 0 || at <= model.now ? model.now : at };
      model.tick(model.now, this.casLast());
      this.checkFlush();
    }
  }

  private metaGet(command: MetaGet): Ran {
    const { model } = this;
    const key = keys[command.key]!;
    const { touch, vivify, recache } = command;
    const tokens = `${flag('T', touch)}${flag('N', vivify)}${flag('R', recache)}`;
    const reply = this.retrieveMeta(`mg ${key} v k${tokens} s f t`);
    // T stands before N, so that an item that is made has the expiry of N.
    const at = (exptime: number) => model.absolute(exptime);
    return this.ran(key, (old) => endingsOfMetaGet(command, old, model.now, at), reply);
  }

  private metaDelete(command: MetaDelete): Ran {
    const key = keys[command.key]!;
    const { keeps, touch } = command;
    const reply = this.line(`md ${key}${keeps ? ' I' : ''}${flag('T', touch)}`);
    const exptime = touch === null ? null : this.model.absolute(touch);
    const found = this.reader.items().has(key);
    const endings = (old: Version | undefined) => endingsOfMetaDelete(command, old, exptime, found);
    return { ...this.ran(key, endings, reply), shields: true };
  }

  private metaCount(command: MetaCount): Ran {
    const { model } = this;
    const key = keys[command.key]!;
    const { up, delta } = command;
    const touch = command.touch === null ? null : model.absolute(command.touch);
    const vivify = command.vivify === null ? null : model.absolute(command.vivify);
    const tokens = `${flag('T', command.touch)}${flag('N', command.vivify)}`;
    this.line(`ma ${key} v M${up ? 'I' : 'D'} D${delta} J10${tokens}`);
    const endings = (old: Version | undefined) => endingsOfMetaCount(command, old, touch, vivify);
    return { ...this.ran(key, endings), shields: true };
  }

  private executeStorage(command: Storage): Ran | null {
    const { model, executor, geometry } = this;
    const key = keys[command.key]!;
    const value = this.valueOf(command.key, command.size, command.fill);
    const exptime = model.absolute(command.exptime);
    const old = model.items.get(key);
    const { verb, flags } = command;
    const off = command.unique ? 0 : command.meta && command.lower ? -1 : 1;
    const cas = (old?.cas ?? 1) + off;
    const outcome = this.send(lineOf(command, value.length, cas));
    const fitting = fits(key.length, value.length, flags, geometry.itemBytesMax);
    if (outcome !== (fitting ? Outcome.VALUE : Outcome.SWALLOW)) {
      throw new Error(`${verb} of ${value.length} bytes has outcome ${outcome}`);
    }
    const { storing } = executor;
    const { request } = storing;
    if (!fitting) return this.refused(key, () => endingsOfTooLarge(command));
    const shields = verb === 'append' || verb === 'prepend';
    const ended = (version: Version | undefined) =>
      endingsOfStorage(command, value, exptime, version, geometry.itemBytesMax, cas);
    if (command.how === 'whole') {
      const at = 4096;
      inputBytes.set(value, at);
      inputBytes.write(command.ends ? '\r\n' : 'xx', at + value.length, 'latin1');
      storing.whole(request, inputBytes, inputView, at);
      const endings = (version: Version | undefined) => [
        ...ended(version),
        ...endingsOfRefusal(command),
      ];
      return { ...this.ran(key, endings), shields };
    }
    if (!storing.reserveArriving(request))
      return this.refused(key, () => endingsOfRefusal(command));
    const arriving = new StorageRequest();
    arriving.assign(request);
    this.bytesOf(arriving.ref, value.length).set(value);
    this.pending.push({ command, request: arriving, value, exptime });
    if (command.how === 'begin') {
      return this.ran(key, () => [{ reply: '', change: { is: 'none' } }]);
    }
    const last = this.pending.pop()!;
    return this.arrive(last);
  }

  private finish(): Ran | null {
    const pending = this.pending.shift();
    return pending === undefined ? null : this.arrive(pending);
  }

  private arrive(pending: Pending): Ran {
    const { command, request, value, exptime } = pending;
    const key = keys[command.key]!;
    // The line is another one by now: a session's request lives on, its key's bytes do not.
    inputBytes.fill(0x2a, 0, 512);
    this.executor.storing.arrived(request, command.ends);
    const cas = (request.casLow >>> 0) + (request.casHigh >>> 0) * 4294967296;
    const endings = (old: Version | undefined) =>
      endingsOfStorage(command, value, exptime, old, this.geometry.itemBytesMax, cas);
    const shields = command.verb === 'append' || command.verb === 'prepend';
    return { ...this.ran(key, endings), shields };
  }

  private release(): void {
    const pin = this.pins.shift();
    if (pin === undefined) return;
    if (!same(pin.at, pin.copy)) throw new Error(`chunk ${pin.ref} was reused while it was pinned`);
    this.store.slabs.unpin(pin.ref);
  }

  /** Sends a line without keys or a value behind it. */
  private line(text: string): Buffer {
    const outcome = this.send(text);
    if (outcome !== Outcome.DONE) throw new Error(`${text} has outcome ${outcome}`);
    return Buffer.from(output.bytes.subarray(0, output.at));
  }

  private send(text: string): number {
    const { executor, retrieval } = this;
    const { line } = executor;
    const end = inputBytes.write(`${text}\r\n`, 0, 'latin1');
    if (!line.scan(0, end)) throw new Error(`no line in ${text}`);
    const command = commandFor(inputBytes, line.start(0), line.length(0))!;
    executor.begin(command.noreplyFrom);
    return command.run(executor, { retrieval } as unknown as Session);
  }

  /** A retrieval of one key, which is token `token`. */
  private retrieve(text: string, token: number): Buffer {
    return this.collect(() => {
      if (this.send(text) !== Outcome.KEYS) throw new Error(`${text} takes no keys`);
      const { line } = this.executor;
      this.executor.retrieving.key(this.retrieval, line.start(token), line.length(token));
      output.put(lines.end);
    });
  }

  private retrieveMeta(text: string): Buffer {
    this.holds = false;
    return this.collect(() => {
      if (this.send(text) !== Outcome.DONE) throw new Error(`${text} is not done`);
    });
  }

  /** What is answered meanwhile. Large values are referenced, and pinned while they are. */
  private collect(answer: () => void): Buffer {
    const parts: Uint8Array[] = [];
    let copied = 0;
    output.onReference = (segment, offset, length, ref) => {
      parts.push(Buffer.from(output.bytes.subarray(copied, output.at)));
      copied = output.at;
      const at = this.region.bytes[segment]!.subarray(offset, offset + length);
      parts.push(Buffer.from(at));
      this.pins.push({ ref, at, copy: Buffer.from(at) });
    };
    const held = this.pins.length;
    answer();
    parts.push(Buffer.from(output.bytes.subarray(copied, output.at)));
    if (!this.holds && this.pins.length > held) {
      this.store.slabs.unpin(this.pins.pop()!.ref);
    }
    return Buffer.concat(parts);
  }

  /** As a session answers it, once the data block has been swallowed. */
  private refused(key: string, endings: Ran['endings']): Ran {
    const { refusal } = this.executor.storing.request;
    if (refusal !== null) output.put(refusal);
    return this.ran(key, endings);
  }

  private ran(key: string, endings: Ran['endings'], reply?: Buffer): Ran {
    const bytes = reply ?? Buffer.from(output.bytes.subarray(0, output.at));
    return { key, endings, reply: bytes, shields: false };
  }

  private match(ran: Ran, old: Version | undefined): Ending | undefined {
    const mayLackMemory =
      !this.setting.evict ||
      this.pins.length > 0 ||
      this.pending.length > 0 ||
      // The item that is appended to and the value that arrives for it may stand in the only two pages.
      (ran.shields && this.geometry.pageCount <= 2);
    return ran.endings(old).find((ending) => {
      if (ending.needsMemory && !mayLackMemory) return false;
      return same(ran.reply, asBytes(ending.reply));
    });
  }

  /**
   * Compares the region with the model, item by item, and brings the model up to date. `removed` is the key whose live
   * item the command itself unlinked; `lost` items more must be gone, and no others.
   */
  private reconcile(
    ends: ReadonlyMap<string, Ending>,
    removed: string | null,
    lost: number,
    evicted: number,
  ): void {
    const { model } = this;
    const linked = this.reader.items();
    let gone = 0;
    for (const [key, version] of model.items) {
      if (linked.get(key)?.cas === version.cas) continue;
      model.items.delete(key);
      gone++;
      if (key === removed) removed = '';
    }
    if (removed !== null && removed !== '') throw new Error(`${removed} was not unlinked`);
    const direct = removed === null ? 0 : 1;
    if (gone !== lost + direct && !(gone === lost && direct === 1 && evicted > 0)) {
      throw new Error(`${gone} items are gone, ${lost} were counted and ${direct} removed`);
    }
    for (const item of linked.values()) {
      const change = ends.get(item.key)?.change;
      let version = model.items.get(item.key);
      if (change?.is === 'put') {
        if (version !== undefined) throw new Error(`${item.key} was not replaced`);
        if (item.cas <= model.casGiven) throw new Error(`CAS id ${item.cas} is not new`);
        version = { ...change, cas: item.cas };
        model.casGiven = item.cas;
      } else if (change?.is === 'touch' && version !== undefined) {
        version = { ...version, exptime: change.exptime, bits: change.bits };
      }
      if (version === undefined) throw new Error(`${item.key} is linked and should not be`);
      model.items.set(item.key, version);
      sameItem(item, version, change !== undefined);
    }
    for (const [key, { change }] of ends) {
      if (change.is === 'put' && !linked.has(key)) throw new Error(`${key} was not linked`);
    }
  }

  private checkFlush(): void {
    const { flush, casGiven } = this.model;
    const record = this.reader.record();
    if (record.flushAt !== flush.at) throw new Error(`the flush waits for ${record.flushAt}`);
    if (record.flushCas !== flush.cas) throw new Error(`the flush mark is ${record.flushCas}`);
    if (record.casCeiling < casGiven) throw new Error('a CAS id above the ceiling was given out');
  }

  /** The largest CAS id the store may have given out: private to it, and this test's right. */
  private casLast(): number {
    return (this.store as unknown as { casLast: number }).casLast;
  }

  private bytesOf(ref: number, length: number): Uint8Array {
    const { region } = this;
    const segment = (ref - 1) >>> region.segmentShift;
    const at = this.executor.valueOffset(ref);
    return region.bytes[segment]!.subarray(at, at + length);
  }
}

/** Throws unless the item is this version; the value is compared when it may have changed. */
export function sameItem(item: Linked, version: Version, withValue: boolean): void {
  const { key } = item;
  if (item.cas !== version.cas) throw new Error(`${key} has CAS id ${item.cas}`);
  if (item.flags !== version.flags) throw new Error(`${key} has flags ${item.flags}`);
  if (item.bits !== version.bits) throw new Error(`${key} has bits ${item.bits}`);
  if (item.exptime !== version.exptime) throw new Error(`${key} has exptime ${item.exptime}`);
  if (item.value.length !== version.value.length) {
    throw new Error(`${key} has ${item.value.length} bytes`);
  }
  if (withValue && !same(item.value, version.value)) throw new Error(`${key} has another value`);
}

function flag(letter: string, number: number | null): string {
  return number === null ? '' : ` ${letter}${number}`;
}

/** A storage command's line, classic or meta. */
function lineOf(command: Storage, length: number, cas: number): string {
  const { verb, flags, exptime } = command;
  const key = keys[command.key]!;
  if (!command.meta) {
    return `${verb} ${key} ${flags} ${exptime} ${length}${verb === 'cas' ? ` ${cas}` : ''}`;
  }
  const mode = { set: 'S', add: 'E', replace: 'R', append: 'A', prepend: 'P', cas: 'S' }[verb];
  const compares = verb === 'cas' ? ` C${cas}${command.lower ? ' I' : ''}` : '';
  return `ms ${key} ${length} M${mode} F${flags} T${exptime} k${compares}`;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

function asBytes(reply: Ending['reply']): Uint8Array {
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1');
  return Buffer.concat(reply.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

function shown(reply: Ending['reply']): string {
  return Buffer.from(asBytes(reply)).toString('latin1').slice(0, 100);
}

/** Bytes that repeat nowhere, so that a mixture of two values is never one of them. */
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
