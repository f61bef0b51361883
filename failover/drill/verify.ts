/**
 * Judges whether a value may be read, after the writes that were acknowledged. Pure; its test shows that it catches
 * each violation:
 *
 *   lost        an acknowledged write is gone: the key is missing, or has an older value
 *   resurrected an acknowledged delete is gone: an older value is back
 *   wrong       the value was never written, or has other flags, or an answer was not the right one
 *   cas         the CAS id went back, or changed although the item did not, or stayed although it did
 */
import type { Item, ItemRead, KeyHistory } from './history.js';
import { numberOf, serialOf } from './values.js';

export interface Violation {
  readonly kind: 'lost' | 'resurrected' | 'wrong' | 'cas';
  readonly key: string;
  readonly expected: string;
  readonly found: string;
}

/**
 * Judges a read, and settles the history on it. With `inDoubt` the unanswered writes were cut off by a lost
 * connection and may have happened; without, they were sent behind this read and have not.
 */
export function judge(
  history: KeyHistory,
  found: ItemRead | null,
  inDoubt: boolean,
): Violation | null {
  const possible = inDoubt ? history.possible() : [history.item];
  const happened = possible.findIndex((item) => same(item, found));
  if (happened < 0) {
    const violation = { ...describe(history, found), kind: kindOf(history, found) } as const;
    history.accept(found);
    return violation;
  }
  if (inDoubt) history.settle(happened);
  if (found === null) return null;
  const { cas, casFloor } = history;
  const right = cas === null ? found.cas > casFloor : found.cas === cas;
  history.cas = found.cas;
  if (right) return null;
  const expected = cas === null ? `a CAS id above ${casFloor}` : `CAS id ${cas}`;
  return { kind: 'cas', key: history.key, expected, found: `CAS id ${found.cas}` };
}

/** Judges the answer to the oldest unanswered write of a key. */
export function judgeReply(history: KeyHistory, reply: string): Violation | null {
  const { write } = history.unanswered[0]!;
  const before = history.item;
  const expected = history.answered();
  if (reply === expected) return null;
  const gone = reply === 'NOT_FOUND' || reply === 'NOT_STORED';
  let kind: Violation['kind'] = 'wrong';
  if (write.verb === 'cas' && reply === 'EXISTS') kind = 'cas';
  else if (gone && before !== null && write.verb !== 'add') kind = 'lost';
  else if (before === null && (write.verb === 'add' || write.verb === 'delete'))
    kind = 'resurrected';
  return { kind, key: history.key, expected: `${write.verb}: ${expected}`, found: reply };
}

function same(item: Item | null, found: ItemRead | null): boolean {
  if (item === null || found === null) return item === null && found === null;
  return item.value === found.value && item.flags === found.flags;
}

function kindOf(history: KeyHistory, found: ItemRead | null): Violation['kind'] {
  if (found === null) return 'lost';
  const serial = serialOf(history.key, history.numeric, found.value);
  if (history.item === null) {
    return serial !== null && serial <= newest(history) ? 'resurrected' : 'wrong';
  }
  const acknowledged = serialOf(history.key, history.numeric, history.item.value)!;
  return serial !== null && serial < acknowledged ? 'lost' : 'wrong';
}

function newest(history: KeyHistory): number {
  return history.numeric ? numberOf(history.serial + 1) : history.serial;
}

function describe(history: KeyHistory, found: ItemRead | null) {
  return { key: history.key, expected: shown(history.item), found: shown(found) };
}

function shown(item: Item | null): string {
  if (item === null) return 'no such key';
  const { value, flags } = item;
  const text = value.length > 60 ? `${value.slice(0, 30)}…${value.slice(-20)}` : value;
  return `${text} (${value.length} bytes, flags ${flags})`;
}
