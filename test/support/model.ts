/**
 * The cache as a plain Map: the answer and the changes of every command. It knows no chunk and no page; the rig reports
 * items to it that the store evicts.
 */
import { ItemBit } from '../../src/store/layout.js';
import type { MetaCount, MetaDelete, MetaGet } from './meta-model.js';
import type { GeometryName } from './region.js';

export const verbs = ['set', 'add', 'replace', 'append', 'prepend', 'cas'] as const;
export type VerbName = (typeof verbs)[number];

/** The length of a value. `class`: the least or the most (less a few bytes) that needs this slab class. */
export type Size =
  | { readonly is: 'bytes'; readonly bytes: number }
  | { readonly is: 'digits'; readonly number: string }
  | { readonly is: 'class'; readonly number: number; readonly most: boolean; readonly off: number };

export interface Storage {
  readonly is: 'store';
  readonly verb: VerbName;
  readonly key: number;
  readonly flags: number;
  /** The exptime as sent: 0, negative, relative or absolute. */
  readonly exptime: number;
  readonly size: Size;
  readonly fill: number;
  /**
   * `whole` in the input; in `pieces`, straight into the chunk; or its `begin` now, and its end by a later `finish`.
   */
  readonly how: 'whole' | 'pieces' | 'begin';
  /** False: the data block lacks its line end. */
  readonly ends: boolean;
  /** For cas: true when the id sent is the item's. */
  readonly unique: boolean;
  /** True when sent as ms. */
  readonly meta: boolean;
  /** For cas sent as ms: sent with I and an id lower than the item's, so that a stale value is stored. */
  readonly lower: boolean;
  /** For ms: with its key in base64, where that fits. */
  readonly coded: boolean;
  /** For append and prepend sent as ms: stores its value where there is no item to extend. */
  readonly vivifies: boolean;
  /** For ms: the CAS id that the item is to have. */
  readonly explicit: string | null;
}

export type Command =
  | Storage
  | MetaGet
  | MetaDelete
  | MetaCount
  | { readonly is: 'finish' }
  | { readonly is: 'delete'; readonly key: number }
  | { readonly is: 'touch'; readonly key: number; readonly exptime: number; readonly gets: boolean }
  /** `hold`: a large value stays pinned, as if its client read slowly, until `release`. */
  | { readonly is: 'get'; readonly key: number; readonly hold: boolean }
  | { readonly is: 'release' }
  | { readonly is: 'count'; readonly key: number; readonly up: boolean; readonly delta: string }
  | { readonly is: 'flush'; readonly delay: number }
  | { readonly is: 'advance'; readonly seconds: number }
  | { readonly is: 'adopt'; readonly chunks: number }
  /**
   * A slice of a page's move; when no move is under way, begins one, from the n-th class with pages to the m-th class
   * or to none.
   */
  | { readonly is: 'move'; readonly from: number; readonly to: number; readonly looks: number }
  | { readonly is: 'crawl'; readonly looks: number }
  | { readonly is: 'reopen' };

/** A scenario's region, and how it is served. */
export interface Setting {
  readonly geometry: GeometryName;
  readonly seed: readonly [number, number];
  readonly evict: boolean;
  readonly casStep: number;
}

export const keyCount = 40;

/** Keys of many lengths, so that values begin at every alignment; the last is as long as a key may be. */
export const keys: readonly string[] = Array.from({ length: keyCount }, (_, number) =>
  `k${number}`.padEnd(number === keyCount - 1 ? 250 : 1 + ((number * 7) % 41), '.'),
);

/** One value of one key, as `gets` would show it. Never changed; touch makes another. */
export interface Version {
  /** The id that the store gave it. */
  readonly cas: number;
  /** The id that a client chose for it, which is shown instead. */
  readonly explicit: bigint | null;
  readonly flags: number;
  readonly exptime: number;
  /** Item bits. */
  readonly bits: number;
  readonly value: Uint8Array;
}

export interface FlushState {
  /** Items with a CAS id up to this are dead. */
  readonly cas: number;
  readonly at: number;
}

/** A command's change of the item with its key. */
export type Change =
  | { readonly is: 'none' }
  | { readonly is: 'remove' }
  | { readonly is: 'touch'; readonly exptime: number; readonly bits: number }
  | {
      readonly is: 'put';
      readonly flags: number;
      readonly exptime: number;
      readonly bits: number;
      readonly explicit: bigint | null;
      readonly value: Uint8Array;
    };

/** A possible end of a command; `needsMemory` marks those that only a lack of memory explains. */
export interface Ending {
  readonly reply: string | readonly (string | Uint8Array)[];
  readonly change: Change;
  readonly needsMemory?: true;
}

export class Model {
  /** All linked items, dead ones included, which go when they are met. */
  items = new Map<string, Version>();
  flush: FlushState = { cas: 0, at: 0 };
  now: number;
  /** Largest CAS id that was ever given out. */
  casGiven = 0;

  constructor(now: number) {
    this.now = now;
  }

  /** A copy that later commands do not change. */
  snapshot(): Model {
    const copy = new Model(this.now);
    copy.items = new Map(this.items);
    copy.flush = this.flush;
    copy.casGiven = this.casGiven;
    return copy;
  }

  live(key: string): Version | undefined {
    const version = this.items.get(key);
    return version !== undefined && this.isLive(version) ? version : undefined;
  }

  /** Time passes; a flush that is due takes effect. `casLast` is the largest id the store may have given out. */
  tick(now: number, casLast: number): void {
    this.now = now;
    if (this.flush.at !== 0 && now >= this.flush.at) this.flush = { cas: casLast, at: 0 };
  }

  /** memcached's realtime() of an exptime, of which it keeps 32 bits. */
  absolute(exptime: number): number {
    if (exptime === 0) return 0;
    if ((exptime | 0) < 0) return 1;
    return exptime <= 2_592_000 ? this.now + exptime : exptime;
  }

  private isLive(version: Version): boolean {
    if (version.exptime !== 0 && version.exptime <= this.now) return false;
    return version.cas > this.flush.cas;
  }
}

/** The CAS id that a client sees. */
export function shownCas({ cas, explicit }: Version): bigint {
  return explicit ?? BigInt(cas);
}

/** The number of the flag `E`, null without. */
export function chosen(explicit: string | null): bigint | null {
  return explicit === null ? null : BigInt(explicit);
}

export const unchanged: Change = { is: 'none' };
export const remove: Change = { is: 'remove' };
const outOfMemory = 'SERVER_ERROR out of memory storing object\r\n';
const metaResults: Readonly<Record<string, string>> = {
  STORED: 'HD',
  NOT_STORED: 'NS',
  EXISTS: 'EX',
  NOT_FOUND: 'NF',
};

/**
 * The possible ends of a storage command when its value has arrived. `old` is the live item with its key, `cas` the id
 * sent.
 */
export function endingsOfStorage(
  command: Storage,
  value: Uint8Array,
  exptime: number,
  old: Version | undefined,
  itemBytesMax: number,
  cas: bigint,
): Ending[] {
  const endings = classicEndings(command, value, exptime, old, itemBytesMax, cas);
  if (!command.meta || !command.ends) return endings;
  return endings.map((ending) => {
    const { length } = ending.change.is === 'put' ? ending.change.value : value;
    const result = metaResults[(ending.reply as string).trim()];
    const shown = keyShown(keys[command.key]!, bitsOf(command));
    return { ...ending, reply: `${result} k${shown} s${length}\r\n` };
  });
}

/** Bits of the item that this command makes. */
export function bitsOf({ meta, coded, key }: Storage): number {
  return meta && coded && coding(keys[key]!).length <= 250 ? ItemBit.BINARY : 0;
}

export function coding(key: string): string {
  return Buffer.from(key, 'latin1').toString('base64');
}

/** The key of an item with these bits, as a meta command shows it. */
export function keyShown(key: string, bits: number): string {
  return (bits & ItemBit.BINARY) === 0 ? key : `${coding(key)} b`;
}

function classicEndings(
  command: Storage,
  value: Uint8Array,
  exptime: number,
  old: Version | undefined,
  itemBytesMax: number,
  cas: bigint,
): Ending[] {
  const explicit = chosen(command.meta ? command.explicit : null);
  if (!command.ends) return [{ reply: 'CLIENT_ERROR bad data chunk\r\n', change: unchanged }];
  const { flags } = command;
  const put = { is: 'put', flags, exptime, bits: bitsOf(command), explicit, value } as const;
  const stored: Ending = { reply: 'STORED\r\n', change: put };
  const refused = (reply: string): Ending => ({ reply, change: unchanged });
  switch (command.verb) {
    case 'set':
      return [stored];
    case 'add':
      return [old === undefined ? stored : refused('NOT_STORED\r\n')];
    case 'replace':
      return [old === undefined ? refused('NOT_STORED\r\n') : stored];
    case 'cas':
      if (old === undefined) return [refused('NOT_FOUND\r\n')];
      if (cas === shownCas(old)) return [stored];
      if (!command.meta || !command.lower || cas === 0n || cas > shownCas(old)) {
        return [refused('EXISTS\r\n')];
      }
      return [
        {
          ...stored,
          change: {
            ...put,
            exptime: old.exptime,
            bits: put.bits | ItemBit.STALE | (old.bits & ItemBit.TOKEN_SENT),
          },
        },
      ];
    default: {
      if (old === undefined) {
        return [command.meta && command.vivifies ? stored : refused('NOT_STORED\r\n')];
      }
      const parts = command.verb === 'append' ? [old.value, value] : [value, old.value];
      const joined = Buffer.concat(parts);
      const { flags } = old;
      if (!fits(keys[command.key]!.length, joined.length, flags, itemBytesMax)) {
        return [refused('NOT_STORED\r\n')];
      }
      const kept = { flags, exptime: old.exptime, bits: 0 };
      const change: Change = { is: 'put', ...kept, explicit, value: joined };
      const full: Ending = { reply: 'NOT_STORED\r\n', change: unchanged, needsMemory: true };
      return [{ reply: 'STORED\r\n', change }, full];
    }
  }
}

/** The possible ends of a storage command before its value is taken. */
export function endingsOfRefusal({ verb, meta }: Storage): Ending[] {
  const change = verb === 'set' || meta ? remove : unchanged;
  return [{ reply: outOfMemory, change, needsMemory: true }];
}

export function endingsOfTooLarge({ verb, meta }: Storage): Ending[] {
  const change = verb === 'set' || meta ? remove : unchanged;
  return [{ reply: 'SERVER_ERROR object too large for cache\r\n', change }];
}

/** memcached's rule for -I: its header, CAS id, key's NUL, value's line end, and the flags where there are any. */
export function fits(keyLength: number, length: number, flags: number, most: number): boolean {
  return 59 + keyLength + length + (flags === 0 ? 0 : 4) <= most;
}

export function endingsOfDelete(old: Version | undefined): Ending[] {
  if (old === undefined) return [{ reply: 'NOT_FOUND\r\n', change: unchanged }];
  return [{ reply: 'DELETED\r\n', change: remove }];
}

export function endingsOfTouch(
  key: string,
  gets: boolean,
  exptime: number,
  old: Version | undefined,
): Ending[] {
  const change: Change = old === undefined ? unchanged : { is: 'touch', exptime, bits: old.bits };
  if (gets) return [{ reply: retrieved(key, old), change }];
  return [{ reply: old === undefined ? 'NOT_FOUND\r\n' : 'TOUCHED\r\n', change }];
}

export function endingsOfGet(key: string, old: Version | undefined): Ending[] {
  return [{ reply: retrieved(key, old), change: unchanged }];
}

export function endingsOfCount(up: boolean, delta: string, old: Version | undefined): Ending[] {
  if (old === undefined) return [{ reply: 'NOT_FOUND\r\n', change: unchanged }];
  const counted = count(up, delta, old);
  if (counted === null) return [{ reply: nonNumeric, change: unchanged }];
  const full = 'SERVER_ERROR out of memory in incr\r\n';
  return [
    { reply: `${counted.digits}\r\n`, change: counted.change },
    { reply: full, change: unchanged, needsMemory: true },
  ];
}

export const nonNumeric = 'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n';

/** The new number, and the item that holds it: the same item, stale or not, unless it had to become longer. */
export function count(up: boolean, delta: string, old: Version) {
  const number = /^(\d+)(?=\s|$)/.exec(Buffer.from(old.value).toString('latin1'))?.[1];
  if (number === undefined || BigInt(number) >= 2n ** 64n) return null;
  const sum = BigInt(number) + (up ? BigInt(delta) : -BigInt(delta));
  const digits = (sum < 0n ? 0n : sum % 2n ** 64n).toString();
  const value = Buffer.from(digits.padEnd(old.value.length, ' '), 'latin1');
  const { flags, exptime } = old;
  const bits = value.length === old.value.length ? old.bits : 0;
  return { digits, change: { is: 'put', flags, exptime, bits, explicit: null, value } as const };
}

function retrieved(key: string, old: Version | undefined): Ending['reply'] {
  if (old === undefined) return 'END\r\n';
  const { flags, value } = old;
  return [`VALUE ${key} ${flags} ${value.length} ${shownCas(old)}\r\n`, value, '\r\nEND\r\n'];
}
