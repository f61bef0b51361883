/**
 * Runs commands with a journal that carries, and keeps what a crash test needs: the region as it was, the records in
 * order, and the model after every command with the number of records there were by then.
 */
import { Journal, journalHeadroom, records } from '../../src/store/journal.js';
import type { RegionMemory } from '../../src/store/region.js';
import { type Command, Model, type Setting } from '../support/model.js';
import { copyMemory, formattedMemory, geometries } from '../support/region.js';
import { Rig } from '../support/rig.js';

export const startSeconds = 1_700_000_000;

export interface CarriedRecord {
  readonly offset: number;
  readonly payload: Uint8Array;
}

/** The state between two commands. */
export interface Stage {
  /** Records up to here. */
  readonly records: number;
  readonly model: Model;
  /** Items the command before it evicted, or met dead. */
  readonly lost: number;
}

export interface Recording {
  readonly setting: Setting;
  /** The region when the journal began to carry. */
  readonly before: RegionMemory;
  readonly records: readonly CarriedRecord[];
  readonly stages: readonly Stage[];
  /** The store that made them, after its last command. */
  readonly rig: Rig;
}

export interface Scenario {
  readonly setting: Setting;
  /** Bytes of the journal: a small one is full in mid-mutation and cuts ranges in pieces. */
  readonly journalBytes: number;
  /** Commands in a tick, whose records make a batch. */
  readonly tick: number;
  /** Commands before the journal carries. */
  readonly early: readonly Command[];
  readonly commands: readonly Command[];
  /** What the store goes on with after a cut, a few of them each time. */
  readonly later: readonly Command[];
}

export function record(scenario: Scenario): Recording {
  const { setting, commands } = scenario;
  const journal = new Journal(scenario.journalBytes);
  const memory = formattedMemory(geometries[setting.geometry], setting.seed);
  const rig = new Rig(memory, journal, setting, new Model(startSeconds));
  for (const command of scenario.early) rig.run(command);
  const before = copyMemory(memory);
  const carried: CarriedRecord[] = [];
  journal.active = true;
  journal.onFull = () => {
    // As a standby gets it: the batch as it is when it is taken.
    const batch = journal.bytes.slice(0, journal.at);
    for (const one of records(batch, journalHeadroom, batch.length)) carried.push(one);
    journal.clear();
  };
  const stages: Stage[] = [{ records: 0, model: rig.model.snapshot(), lost: 0 }];
  for (const [number, command] of commands.entries()) {
    rig.run(command);
    const count = carried.length + journal.count;
    stages.push({ records: count, model: rig.model.snapshot(), lost: rig.lost });
    if (number % scenario.tick === 0) journal.onFull();
  }
  journal.onFull();
  return { setting, before, records: carried, stages, rig };
}
