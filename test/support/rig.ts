/**
 * A store with its executor and the model beside it. `run` executes a command as a session would, checks its reply
 * against the model, reads the whole region and explains every difference from before: an item was put, removed,
 * touched, evicted or reclaimed, and counted as such. There must be no other change.
 */
import type { Caller } from '../../src/commands/caller.js';
import { commandFor } from '../../src/commands/commands.js';
import { Executor } from '../../src/commands/execute.js';
import { Outcome, Retrieval, StorageRequest } from '../../src/commands/execution/request.js';
import { lines, Output } from '../../src/protocol/reply.js';
import { Counters } from '../../src/stats/counters.js';
import { Crawler } from '../../src/store/crawler.js';
import type { Journal } from '../../src/store/journal.js';
import type { Geometry } from '../../src/store/layout.js';
import { Region, type RegionMemory } from '../../src/store/region.js';
import { FULL, WAIT } from '../../src/store/reservation.js';
import type { Store } from '../../src/store/store.js';
import { type Busy, checkAdopted, checkStore, RegionReader } from './check-store.js';
import {
  endingsOfMetaCount,
  endingsOfMetaDelete,
  endingsOfMetaGet,
  type MetaCount,
  type MetaDelete,
  type MetaGet,
} from './meta-model.js';
import {
  bitsOf,
  type Command,
  coding,
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
  type Storage,
  shownCas,
  type Version,
} from './model.js';
import { asBytes, nothing, reconcile, same, shown } from './reconcile.js';
import { geometries } from './region.js';
import { bytesOfValue } from './values.js';
import { WatchedStore } from './watched-store.js';

/** The input of all rigs: a command is in it only while it is executed. */
const input = new ArrayBuffer(2 ** 21);
const inputBytes = Buffer.from(input);
const inputView = new DataView(input);
const output = new Output(new ArrayBuffer(2 ** 18));
const counters = new Counters();

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

/** A command's effect, as `run` needs it. */
interface Ran {
  readonly key: string;
  /** The possible ends of the command, given the live item with its key. */
  readonly endings: (old: Version | undefined) => Ending[];
  readonly reply: Buffer;
  /** True when the item with its key must not be evicted for it. */
  readonly shields: boolean;
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
  /** Live items that the last command evicted, and dead items that it met. */
  lost = 0;
  private executor!: Executor;
  private crawler!: Crawler;
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

  /** Opens the region again, as after a crash: arriving values, sent values and the adoption are forgotten. */
  open(): void {
    this.pending.length = 0;
    this.pins.length = 0;
    const { setting, model } = this;
    const casLast = this.reader.record().casCeiling;
    this.region = new Region(this.memory, this.geometry, this.journal);
    this.store = new WatchedStore(this.region, setting, model.now);
    this.crawler = new Crawler(this.store);
    this.executor = new Executor(this.store, output, counters, true);
    this.executor.line.bytes = inputBytes;
    this.executor.line.view = inputView;
    model.tick(model.now, casLast);
    this.checkFlush();
  }

  /** Chunks that are reserved and pinned now, for the checkers. */
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

  /** Ends all arriving and sent values, as when all connections close. */
  quiesce(): void {
    for (const { request } of this.pending.splice(0)) this.store.cancel(request.ref);
    while (this.pins.length > 0) this.release();
  }

  run(command: Command): void {
    const { store } = this;
    const evictions = store.evictions;
    const reclaimed = deadFound(store);
    this.lost = 0;
    const ran = this.execute(command);
    const evicted = store.evictions - evictions;
    if (evicted > 0 && !this.setting.evict) throw new Error('-M evicted an item');
    this.lost = evicted + deadFound(store) - reclaimed;
    if (ran === null) {
      const { lost } = this;
      if (command.is !== 'reopen')
        reconcile(this.model, this.reader, { ...nothing, lost, evicted });
      return;
    }
    const old = this.model.live(ran.key);
    let ending = this.match(ran, old);
    // The item with the key may have been evicted to make room, before the command looked for it.
    if (evicted > 0 && (ending === undefined || !this.agrees(ran.key, ending))) {
      ending = this.match(ran, undefined) ?? ending;
    }
    if (ending === undefined) {
      const reply = ran.reply.toString('latin1').slice(0, 300);
      const expected = JSON.stringify(ran.endings(old).map((one) => shown(one.reply)));
      throw new Error(`${JSON.stringify(command)}: answered ${reply}, expected ${expected}`);
    }
    const removes =
      old !== undefined && (ending.change.is === 'put' || ending.change.is === 'remove');
    const removed = removes ? ran.key : null;
    const ends = new Map([[ran.key, ending]]);
    reconcile(this.model, this.reader, { ends, removed, lost: this.lost, evicted });
    this.checkFlush();
  }

  /** Every key as `find` has it: the model's live item, and nothing else. Dead items are unlinked on the way. */
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
    else if (command.is === 'move') this.move(command.from, command.to, command.looks);
    else if (command.is === 'crawl') this.crawl(command.looks);
    else if (command.is === 'advance') {
      model.tick(model.now + command.seconds, this.casLast());
      store.tick(model.now);
      this.checkFlush();
    } else if (command.is === 'flush') {
      this.line(command.delay === 0 ? 'flush_all' : `flush_all ${command.delay}`);
      const at = model.absolute(command.delay) - 1;
      model.flush = { cas: model.flush.cas, at: Math.max(at, model.now) };
      model.tick(model.now, this.casLast());
      this.checkFlush();
    }
  }

  private metaGet(command: MetaGet): Ran {
    const { model } = this;
    const key = keys[command.key]!;
    const { touch, vivify, recache, explicit } = command;
    const times = `${flag('T', touch)}${flag('N', vivify)}${flag('R', recache)}`;
    const tokens = `${times}${flag('E', explicit)}`;
    const reply = this.retrieveMeta(`mg ${key} v k${tokens} s f t`);
    // T stands before N, so an item that is made has the expiry of N.
    const at = (exptime: number) => model.absolute(exptime);
    return this.ran(key, (old) => endingsOfMetaGet(command, old, model.now, at), reply);
  }

  private metaDelete(command: MetaDelete): Ran {
    const key = keys[command.key]!;
    const { keeps, empties, touch, explicit } = command;
    const tokens = `${keeps ? ' I' : ''}${empties ? ' x' : ''}${flag('T', touch)}`;
    const reply = this.line(`md ${key}${tokens}${flag('E', explicit)}`);
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
    const times = `${flag('T', command.touch)}${flag('N', command.vivify)}`;
    const tokens = `${times}${flag('E', command.explicit)}`;
    this.line(`ma ${key} v M${up ? 'I' : 'D'} D${delta} J10${tokens}`);
    const endings = (old: Version | undefined) => endingsOfMetaCount(command, old, touch, vivify);
    return { ...this.ran(key, endings), shields: true };
  }

  private move(from: number, to: number, looks: number): void {
    const { mover, slabs } = this.store;
    const owners = slabs.classes.filter(({ pages }) => pages.length > 0);
    const target = slabs.classes[to % slabs.classes.length]!;
    const source = owners[from % Math.max(1, owners.length)];
    if (!mover.isRunning && source !== undefined && source !== target) {
      mover.begin(source, target.number === 0 ? null : target);
    }
    mover.step(looks);
  }

  private crawl(looks: number): void {
    if (!this.crawler.isRunning) {
      this.crawler.start(this.store.slabs.classes.map(({ number }) => number));
    }
    this.crawler.step(looks);
  }

  private executeStorage(command: Storage): Ran | null {
    const { model, executor, geometry } = this;
    const key = keys[command.key]!;
    const value = bytesOfValue(this.reader, command.key, command.size, command.fill);
    const exptime = model.absolute(command.exptime);
    const old = model.items.get(key);
    const { verb, flags } = command;
    const off = command.unique ? 0n : command.meta && command.lower ? -1n : 1n;
    const cas = BigInt.asUintN(64, (old === undefined ? 1n : shownCas(old)) + off);
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
      while (storing.whole(request, inputBytes, inputView, at) === Outcome.WAIT) {
        this.send(lineOf(command, value.length, cas));
      }
      const endings = (version: Version | undefined) => [
        ...ended(version),
        ...endingsOfRefusal(command),
      ];
      return { ...this.ran(key, endings), shields };
    }
    const ref = storing.reserveArriving(request);
    if (ref === WAIT) throw new Error('a store that is not patient let a value wait');
    if (ref === FULL) return this.refused(key, () => endingsOfRefusal(command));
    const arriving = new StorageRequest(request.dialect);
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
    // The input holds another line by now: a session's request lives on, its key's bytes do not.
    inputBytes.fill(0x2a, 0, 512);
    // A large value is copied in slices: a session lets it arrive again in later ticks.
    while (this.executor.storing.arrived(request, command.ends) === Outcome.WAIT);
    const cas = (BigInt(request.casHigh >>> 0) << 32n) | BigInt(request.casLow >>> 0);
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
    let outcome: number;
    // A large value is copied in slices: a session executes such a command again in later ticks.
    do {
      executor.exchange.begin(command.noreplyFrom);
      outcome = command.run(executor, { retrieval } as unknown as Caller);
    } while (outcome === Outcome.WAIT);
    return outcome;
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

  /** The output of `answer`. Large values are referenced, and pinned for as long. */
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

  /** The answer of a session to a refused command, once the data block has been swallowed. */
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
      // The only two pages may hold the item that is appended to, and the value that arrives for it.
      (ran.shields && this.geometry.pageCount <= 2);
    return ran.endings(old).find((ending) => {
      if (ending.needsMemory && !mayLackMemory) return false;
      return same(ran.reply, asBytes(ending.reply));
    });
  }

  /** False when the item is not the one that an ending puts: another ending has the same reply. */
  private agrees(key: string, { change }: Ending): boolean {
    if (change.is !== 'put') return true;
    const item = this.reader.items().get(key);
    if (item === undefined) return false;
    const { flags, exptime, bits, value } = change;
    const isSame = item.flags === flags && item.exptime === exptime && item.bits === bits;
    return isSame && same(item.value, value);
  }

  private checkFlush(): void {
    const { flush, casGiven } = this.model;
    const record = this.reader.record();
    if (record.flushAt !== flush.at) throw new Error(`the flush waits for ${record.flushAt}`);
    if (record.flushCas !== flush.cas) throw new Error(`the flush mark is ${record.flushCas}`);
    if (record.casCeiling < casGiven) throw new Error('a CAS id above the ceiling was given out');
  }

  /** The largest CAS id the store may have given out. */
  private casLast(): number {
    return this.store.casLast;
  }

  private bytesOf(ref: number, length: number): Uint8Array {
    const { region } = this;
    const segment = (ref - 1) >>> region.segmentShift;
    const at = region.valueOffset(ref);
    return region.bytes[segment]!.subarray(at, at + length);
  }
}

function flag(letter: string, number: number | string | null): string {
  return number === null ? '' : ` ${letter}${number}`;
}

/** A storage command's line, classic or meta. */
function lineOf(command: Storage, length: number, cas: bigint): string {
  const { verb, flags, exptime } = command;
  const key = keys[command.key]!;
  if (!command.meta) {
    return `${verb} ${key} ${flags} ${exptime} ${length}${verb === 'cas' ? ` ${cas}` : ''}`;
  }
  const mode = { set: 'S', add: 'E', replace: 'R', append: 'A', prepend: 'P', cas: 'S' }[verb];
  const compares = verb === 'cas' ? ` C${cas}${command.lower ? ' I' : ''}` : '';
  const times = `T${exptime}${command.vivifies ? ` N${exptime}` : ''}`;
  const tokens = `M${mode} F${flags} ${times} k s${compares}${flag('E', command.explicit)}`;
  const coded = bitsOf(command) !== 0;
  return `ms ${coded ? coding(key) : key} ${length}${coded ? ' b' : ''} ${tokens}`;
}

/** Dead items that were unlinked, by a command, the crawler or the mover. */
function deadFound(store: Store): number {
  return store.reclaimed + store.crawlerReclaimed + store.metExpired + store.metFlushed;
}
