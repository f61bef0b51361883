/** Random commands against the store and against a plain Map: same answers, same items, books that agree. */
import { test } from '@jest/globals';
import fc from 'fast-check';
import { Journal } from '../../src/store/journal.js';
import { command, commandOrReopening, numberFrom, setting } from '../support/commands.js';
import { type Command, Model, type Setting } from '../support/model.js';
import { formattedMemory, geometries } from '../support/region.js';
import { Rig } from '../support/rig.js';

const start = 1_700_000_000;
const numRuns = numberFrom('STORE_RUNS', 150);

function rigFor(setting: Setting): Rig {
  const memory = formattedMemory(geometries[setting.geometry], setting.seed);
  return new Rig(memory, new Journal(1024), setting, new Model(start));
}

test('random commands give the answers of a plain Map', () => {
  const commands = fc.array(command, { size: 'max', maxLength: 150 });
  const property = fc.property(setting, commands, (chosen, list) => {
    const rig = rigFor(chosen);
    for (const one of list) {
      rig.run(one);
      rig.check();
    }
    rig.checkReads();
    rig.quiesce();
    rig.checkAdopted();
  });
  fc.assert(property, { numRuns });
});

test('a region that is opened again is the same, however far it is adopted', () => {
  const commands = fc.array(commandOrReopening, { size: 'max', maxLength: 150 });
  const property = fc.property(setting, commands, (chosen, list: Command[]) => {
    const rig = rigFor(chosen);
    for (const one of list) {
      rig.run(one);
      rig.check();
    }
    rig.open();
    rig.checkReads();
    rig.checkAdopted();
  });
  fc.assert(property, { numRuns });
});
