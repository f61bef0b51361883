/** The meta commands of the model (see model.ts): the answers and changes of mg, md and ma. ms is a storage command. */
import { ItemBit } from '../../src/store/layout.js';
import {
  type Change,
  chosen,
  count,
  type Ending,
  keyShown,
  keys,
  nonNumeric,
  remove,
  shownCas,
  unchanged,
  type Version,
} from './model.js';

/** mg. Exptimes as sent; null: without that flag. */
export interface MetaGet {
  readonly is: 'metaGet';
  readonly key: number;
  readonly touch: number | null;
  readonly vivify: number | null;
  readonly recache: number | null;
  readonly explicit: string | null;
}

/** md: with I and with x, or without. */
export interface MetaDelete {
  readonly is: 'metaDelete';
  readonly key: number;
  readonly keeps: boolean;
  readonly empties: boolean;
  readonly touch: number | null;
  readonly explicit: string | null;
}

/** ma. */
export interface MetaCount {
  readonly is: 'metaCount';
  readonly key: number;
  readonly up: boolean;
  readonly delta: string;
  readonly touch: number | null;
  readonly vivify: number | null;
  readonly explicit: string | null;
}

/** `at` makes an exptime absolute. */
export function endingsOfMetaGet(
  command: MetaGet,
  old: Version | undefined,
  now: number,
  at: (exptime: number) => number,
): Ending[] {
  const { touch, vivify, recache } = command;
  const explicit = chosen(command.explicit);
  const key = keys[command.key]!;
  const shown = keyShown(key, old?.bits ?? 0);
  const line = (length: number, flags: number, exptime: number, state: string) =>
    `VA ${length} k${shown} s${length} f${flags} t${exptime === 0 ? -1 : (exptime - now) >>> 0}${state}\r\n`;
  if (old === undefined) {
    const miss: Ending = { reply: `EN k${key}\r\n`, change: unchanged };
    if (vivify === null) return [miss];
    const exptime = at(vivify);
    const value = new Uint8Array(0);
    return [
      {
        reply: `${line(0, 0, exptime, ' W')}\r\n`,
        change: { is: 'put', flags: 0, exptime, bits: ItemBit.TOKEN_SENT, explicit, value },
      },
      { ...miss, needsMemory: true },
    ];
  }
  const { flags, value } = old;
  const exptime = touch === null ? old.exptime : at(touch);
  const sent = (old.bits & ItemBit.TOKEN_SENT) !== 0;
  const stale = (old.bits & ItemBit.STALE) !== 0;
  const aged = recache !== null && exptime !== 0 && exptime < at(recache);
  const won = !sent && (stale || aged);
  const state = `${sent ? ' Z' : ''}${stale ? ' X' : ''}${won ? ' W' : ''}`;
  const bits = won ? old.bits | ItemBit.TOKEN_SENT : old.bits;
  return [
    {
      reply: [line(value.length, flags, exptime, state), value, '\r\n'],
      change: { is: 'touch', exptime, bits },
    },
  ];
}

/** `found`: the key is still linked. An item that cannot be copied for lack of memory goes. */
export function endingsOfMetaDelete(
  command: MetaDelete,
  old: Version | undefined,
  exptime: number | null,
  found: boolean,
): Ending[] {
  if (old === undefined) return [{ reply: 'NF\r\n', change: unchanged }];
  const { keeps, empties } = command;
  if (!keeps && !empties) return [{ reply: 'HD\r\n', change: remove }];
  if (!found) return [{ reply: 'HD\r\n', change: remove, needsMemory: true }];
  const bits = (keeps ? ItemBit.STALE : 0) | (old.bits & ItemBit.BINARY);
  const explicit = chosen(command.explicit) ?? (keeps ? null : shownCas(old));
  const kept = empties
    ? { flags: 0, exptime: exptime ?? 0, value: new Uint8Array(0) }
    : { flags: old.flags, exptime: exptime ?? old.exptime, value: old.value };
  return [{ reply: 'HD\r\n', change: { is: 'put', bits, explicit, ...kept } }];
}

/** Exptimes as they will be kept, null without. */
export function endingsOfMetaCount(
  command: MetaCount,
  old: Version | undefined,
  touch: number | null,
  vivify: number | null,
): Ending[] {
  const { up, delta } = command;
  const explicit = chosen(command.explicit);
  const full = (reply: string): Ending => ({ reply, change: unchanged, needsMemory: true });
  if (old === undefined) {
    if (vivify === null) return [{ reply: 'NF\r\n', change: unchanged }];
    const value = Buffer.from('10');
    const change: Change = { is: 'put', flags: 0, exptime: vivify, bits: 0, explicit, value };
    return [
      { reply: 'VA 2\r\n10\r\n', change },
      full('SERVER_ERROR Out of memory allocating new item\r\n'),
    ];
  }
  const counted = count(up, delta, old);
  if (counted === null) return [{ reply: nonNumeric, change: unchanged }];
  const { digits, change } = counted;
  return [
    {
      reply: `VA ${digits.length}\r\n${digits}\r\n`,
      change: { ...change, explicit, exptime: touch ?? old.exptime },
    },
    full('SERVER_ERROR out of memory\r\n'),
  ];
}
