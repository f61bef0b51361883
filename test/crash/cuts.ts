/**
 * Law 2, at every prefix: applies a recording's records one by one to a standby's copy, and opens that copy after each
 * as a takeover would; and within each that is longer than a word, when only one part of it is there, for nobody
 * promises that a range arrives from its first byte to its last. Two copies follow the records: `held` is never
 * opened; `opened` is, is worked with, and is then made equal to `held` again from a list of what was changed, so that
 * a cut costs no copy of the region.
 */
import { Journal } from '../../src/store/journal.js';
import { ItemBit, KEY_AND_BITS, VALUE_LENGTH } from '../../src/store/layout.js';
import type { Linked } from '../support/check-store.js';
import { RegionReader } from '../support/check-store.js';
import { type Command, type FlushState, Model, type Version } from '../support/model.js';
import { sameItem } from '../support/reconcile.js';
import { copyMemory, geometries, RegionBytes } from '../support/region.js';
import { Rig } from '../support/rig.js';
import type { CarriedRecord, Recording, Stage } from './recording.js';

/** Commands the store executes after each cut. */
const laterCommands = 3;

/** Opens the region after every prefix of the records, the empty and the whole one included. */
export function cutEverywhere(recording: Recording, later: readonly Command[]): void {
  const cuts = new Cuts(recording, later);
  const { records } = recording;
  let at = 0;
  try {
    cuts.open(0);
    for (const one of records) {
      at += 0.5;
      const { offset, payload } = one;
      const words = payload.length / 4;
      if (words > 1) {
        const inner = 4 * (1 + ((Math.floor(at) * 7919) % (words - 1)));
        const first = { offset, payload: payload.subarray(0, inner) };
        const second = { offset: offset + inner, payload: payload.subarray(inner) };
        cuts.apply(Math.floor(at) % 2 === 0 ? first : second);
        cuts.open(at);
      }
      at += 0.5;
      cuts.apply(one);
      cuts.open(at);
    }
  } catch (error) {
    const where = `cut after ${at} of ${records.length} records, ${cuts.where()}`;
    throw new Error(where, { cause: error });
  }
  cuts.compare();
}

/** Says what was changed instead of carrying it. */
class ChangeList extends Journal {
  readonly changes: { readonly offset: number; readonly length: number }[] = [];

  constructor() {
    super(1024);
    this.active = true;
  }

  override word(offset: number): void {
    this.changes.push({ offset, length: 4 });
  }

  override range(offset: number, length: number): void {
    this.changes.push({ offset, length: (length + 3) & ~3 });
  }
}

class Cuts {
  private readonly recording: Recording;
  private readonly later: readonly Command[];
  private readonly held: RegionBytes;
  private readonly opened: RegionBytes;
  private readonly memory;
  private readonly reader: RegionReader;
  /** The stage that was reached, and how far the command after it had got with each key. */
  private stage = 0;
  private progress = new Map<string, number>();
  private flushProgress = 0;
  private laterNext = 0;
  private opens = 0;

  constructor(recording: Recording, later: readonly Command[]) {
    this.recording = recording;
    this.later = later;
    this.held = new RegionBytes(copyMemory(recording.before));
    this.memory = copyMemory(recording.before);
    this.opened = new RegionBytes(this.memory);
    this.reader = new RegionReader(this.memory, geometries[recording.setting.geometry]);
  }

  where(): string {
    return `after command ${this.stage} of ${this.recording.stages.length - 1}`;
  }

  apply({ offset, payload }: CarriedRecord): void {
    this.held.apply(offset, payload);
    this.opened.apply(offset, payload);
  }

  /** Opens the copy as it stands after `count` records (a half: within one), checks all of it, works, undoes that. */
  open(count: number): void {
    const { setting } = this.recording;
    const [before, after] = this.around(count);
    const model = this.judge(before, after);
    const changes = new ChangeList();
    const rig = new Rig(this.memory, changes, setting, model);
    rig.store.onReserve = (ref, length) => {
      changes.changes.push({ offset: rig.region.offsetOf(ref), length: (length + 3) & ~3 });
    };
    rig.checkReads();
    // A third is adopted at once, a third while it works, a third when it has worked.
    const adoption = this.opens++ % 3;
    if (adoption === 0) rig.checkAdopted();
    for (let i = 0; i < laterCommands && this.later.length > 0; i++) {
      if (adoption === 1) rig.run({ is: 'adopt', chunks: 3 });
      rig.run(this.later[this.laterNext++ % this.later.length]!);
    }
    rig.checkReads();
    rig.quiesce();
    rig.checkAdopted();
    for (const { offset, length } of changes.changes) {
      this.opened.restore(this.held, offset, length);
    }
  }

  /** What is checked once: the undoing was complete, and the whole stream makes what the primary has. */
  compare(): void {
    const { recording } = this;
    if (!this.opened.equals(this.held)) throw new Error('the test did not undo its own changes');
    const primary = new RegionBytes(recording.rig.memory);
    const { pagesOffset } = recording.rig.region;
    if (Buffer.compare(primary.at(0, pagesOffset), this.held.at(0, pagesOffset)) !== 0) {
      throw new Error('the heads of both regions differ');
    }
    for (const { ref } of recording.rig.reader.items().values()) {
      const offset = recording.rig.region.offsetOf(ref);
      const words = new Int32Array(primary.at(offset, 32).slice().buffer);
      const behind = (words[KEY_AND_BITS]! & ItemBit.EXPLICIT) === 0 ? 0 : 8;
      const length = 32 + (words[KEY_AND_BITS]! & 0xff) + words[VALUE_LENGTH]! + behind;
      if (Buffer.compare(primary.at(offset, length), this.held.at(offset, length)) !== 0) {
        throw new Error(`the item at ref ${ref} differs`);
      }
    }
  }

  /** The stages before and after the command that is cut; the same twice when none is. */
  private around(count: number): [Stage, Stage] {
    const { stages } = this.recording;
    while (this.stage + 1 < stages.length && stages[this.stage + 1]!.records <= count) {
      this.stage++;
      this.progress = new Map();
      this.flushProgress = 0;
    }
    const before = stages[this.stage]!;
    const after = before.records < count ? stages[this.stage + 1]! : before;
    return [before, after];
  }

  /**
   * Every linked item is the one before or the one after the command, whole; a key never goes back from after to
   * before. Returns the model of what was found.
   */
  private judge(before: Stage, after: Stage): Model {
    const model = new Model(after.model.now);
    const linked = this.reader.items();
    const touched = new Set([...before.model.items.keys(), ...after.model.items.keys()]);
    for (const key of touched) {
      const was = before.model.items.get(key);
      const is = after.model.items.get(key);
      const item = linked.get(key);
      const version = item === undefined ? undefined : versionOf(item, was, is);
      if (version !== undefined) model.items.set(key, version);
      const step = stepOf(key, version, was, is, after.lost);
      if (before !== after) this.advance(key, step);
    }
    for (const key of linked.keys()) {
      if (!touched.has(key)) throw new Error(`${key} is linked, but was not before or after`);
    }
    model.flush = this.judgeFlush(before.model.flush, after.model.flush);
    const highest = Math.max(0, ...[...linked.values()].map((item) => item.cas));
    model.casGiven = Math.max(before.model.casGiven, highest);
    return model;
  }

  private judgeFlush(was: FlushState, is: FlushState): FlushState {
    const { flushCas, flushAt } = this.reader.record();
    if (flushCas === is.cas && flushAt === is.at) {
      if (was !== is) this.flushProgress = 1;
      return is;
    }
    if (flushCas !== was.cas || flushAt !== was.at) throw new Error('half a flush');
    if (this.flushProgress === 1) throw new Error('a flush was undone');
    return was;
  }

  private advance(key: string, step: number): void {
    const reached = this.progress.get(key) ?? 0;
    if (step < reached) throw new Error(`${key} went back to what it was before`);
    this.progress.set(key, step);
  }
}

/** Which of the two the item is, or, of a mg that touches it and is won, the touched one that nobody has won yet. */
function versionOf(item: Linked, was: Version | undefined, is: Version | undefined): Version {
  const { cas, exptime, bits } = item;
  const between = isChangedInPlace(was, is) ? { ...was!, exptime: is!.exptime } : undefined;
  const version = [was, is, between].find(
    (one) => one?.cas === cas && one.exptime === exptime && one.bits === bits,
  );
  if (version === undefined) {
    const found = `CAS id ${cas}, exptime ${exptime} and bits ${bits}`;
    throw new Error(`${item.key} has ${found}: neither old nor new`);
  }
  sameItem(item, version, true);
  return version;
}

function isChangedInPlace(was: Version | undefined, is: Version | undefined): boolean {
  return was !== undefined && was !== is && was.cas === is?.cas;
}

/** 0: as before, 1: gone, or between two words changed in place, 2: as after. */
function stepOf(
  key: string,
  version: Version | undefined,
  was: Version | undefined,
  is: Version | undefined,
  lost: number,
): number {
  if (was === is) {
    if (version === undefined && was !== undefined) throw new Error(`${key} is gone`);
    return 2;
  }
  if (version === is) return 2;
  if (version === was) return 0;
  if (version !== undefined && isChangedInPlace(was, is)) return 1;
  // Neither: only when the old item was evicted to make room, or was dead and met, is there such a moment.
  if (lost === 0) throw new Error(`${key} is gone between old and new`);
  return 1;
}
