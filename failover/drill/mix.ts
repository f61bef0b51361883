/** The mix of commands: chooses the next command for a key, and makes its bytes. Pure; the choice comes from a seed. */
import type { KeyHistory, Write } from './history.js';
import type { Random } from './random.js';
import { numberOf, textOf } from './values.js';

/** Reads among a hundred commands; the others write. */
const readsPercent = 20;
const flagsMost = 2 ** 32 - 1;
/** incr adds so little that numberOf stays ahead of it. */
const deltaMost = 9;

/** The next command for a key: a write, or null for a read. Writes have a serial of their own. */
export function choose(history: KeyHistory, random: Random, valueBytes: number): Write | null {
  if (random.next() * 100 < readsPercent) return null;
  const { value, flags } = fresh(history, random, valueBytes);
  const { serial, numeric, item, cas, unanswered } = history;
  const dice = random.next();
  if (dice < 0.1) return { verb: 'delete' };
  if (dice < 0.15) return { verb: 'add', value, flags };
  if (dice < 0.2) return { verb: 'replace', value, flags };
  if (dice < 0.4 && unanswered.length === 0 && cas !== null) {
    return { verb: 'cas', value, flags, id: cas };
  }
  if (dice < 0.7 && numeric) return { verb: 'incr', delta: random.between(1, deltaMost) };
  if (dice < 0.5 && !numeric && (item?.value.length ?? 0) < 2 * valueBytes) {
    return { verb: 'append', value: `#${serial}#` };
  }
  return { verb: 'set', value, flags };
}

/** A cas with the id that the key's item is known to have. */
export function compareAndSet(history: KeyHistory, random: Random, valueBytes: number): Write {
  return { verb: 'cas', ...fresh(history, random, valueBytes), id: history.cas! };
}

/** The bytes of a command. */
export function requestOf(key: string, write: Write): string {
  switch (write.verb) {
    case 'delete':
      return `delete ${key}\r\n`;
    case 'incr':
      return `incr ${key} ${write.delta}\r\n`;
    case 'append':
      return `append ${key} 0 0 ${write.value.length}\r\n${write.value}\r\n`;
    case 'cas':
      return `cas ${key} ${write.flags} 0 ${write.value.length} ${write.id}\r\n${write.value}\r\n`;
    default:
      return `${write.verb} ${key} ${write.flags} 0 ${write.value.length}\r\n${write.value}\r\n`;
  }
}

/** The key's next value, and flags for it. */
function fresh(history: KeyHistory, random: Random, valueBytes: number) {
  const serial = ++history.serial;
  const { key, numeric } = history;
  const value = numeric ? String(numberOf(serial)) : textOf(key, serial, valueBytes);
  return { value, flags: random.between(0, flagsMost) };
}
