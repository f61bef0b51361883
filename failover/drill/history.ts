/**
 * The writes of each key that were sent, and those that were acknowledged, in order; verify.ts judges by them. Pure.
 *
 * A key belongs to one connection, so its commands have one order, and "the last acknowledged value" has one meaning.
 * When a connection breaks, the writes without an answer are in doubt: the first n of them may have happened, for any
 * n. A read after the reconnect says which, and settles it.
 */

/** A key that is there. Absent keys are null. */
export interface Item {
  readonly value: string;
  readonly flags: number;
}

export interface ItemRead extends Item {
  readonly key: string;
  readonly cas: number;
}

export type Write =
  | { readonly verb: 'set' | 'add' | 'replace'; readonly value: string; readonly flags: number }
  | { readonly verb: 'append'; readonly value: string }
  | { readonly verb: 'incr'; readonly delta: number }
  | { readonly verb: 'delete' }
  /** Sent only with the CAS id that the key's value has then, so that it succeeds. */
  | { readonly verb: 'cas'; readonly value: string; readonly flags: number; readonly id: number };

/** A write on its way. */
export interface Sent {
  readonly write: Write;
  /** The highest CAS id that any client had seen when the write was sent; the written value must get a higher one. */
  readonly casFloor: number;
}

export class KeyHistory {
  readonly key: string;
  /** The key holds numbers, and takes incr. */
  readonly numeric: boolean;
  /** The item that the last acknowledged write left. */
  item: Item | null = null;
  /** The CAS id of `item`, once it was read. */
  cas: number | null = null;
  /** The CAS id of `item` is above this. */
  casFloor = 0;
  /** Writes without an answer, in the order they were sent. */
  readonly unanswered: Sent[] = [];
  /** Grows with every write, and stands in every value, so that an old value is known as old. */
  serial = 0;

  constructor(key: string, numeric: boolean) {
    this.key = key;
    this.numeric = numeric;
  }

  sent(write: Write, casFloor: number): void {
    this.unanswered.push({ write, casFloor });
  }

  /** The oldest unanswered write was answered. Returns the reply that was right. */
  answered(): string {
    const { write, casFloor } = this.unanswered.shift()!;
    const { item, reply } = apply(this.item, write);
    if (item !== this.item) this.become(item, casFloor);
    return reply;
  }

  /** Every state the key may be in when the first n unanswered writes happened, for each n from 0. */
  possible(): (Item | null)[] {
    const items = [this.item];
    for (const { write } of this.unanswered) items.push(apply(items.at(-1)!, write).item);
    return items;
  }

  /** The first `count` unanswered writes happened, the others did not. */
  settle(count: number): void {
    const happened = this.unanswered.splice(0).slice(0, count);
    for (const { write, casFloor } of happened) {
      const { item } = apply(this.item, write);
      if (item !== this.item) this.become(item, casFloor);
    }
  }

  /** Takes the item that was found for right, so that one fault is counted once. */
  accept(found: ItemRead | null): void {
    this.unanswered.length = 0;
    this.item = found;
    this.cas = found?.cas ?? null;
  }

  private become(item: Item | null, casFloor: number): void {
    this.casFloor = Math.max(this.casFloor, this.cas ?? 0, casFloor);
    this.item = item;
    this.cas = null;
  }
}

/**
 * The item that a write makes of a key's item, and the right reply. The same object comes back when nothing changes.
 */
export function apply(item: Item | null, write: Write): { item: Item | null; reply: string } {
  switch (write.verb) {
    case 'set':
      return { item: { value: write.value, flags: write.flags }, reply: 'STORED' };
    case 'add':
      if (item !== null) return { item, reply: 'NOT_STORED' };
      return { item: { value: write.value, flags: write.flags }, reply: 'STORED' };
    case 'replace':
      if (item === null) return { item, reply: 'NOT_STORED' };
      return { item: { value: write.value, flags: write.flags }, reply: 'STORED' };
    case 'append':
      if (item === null) return { item, reply: 'NOT_STORED' };
      return { item: { value: item.value + write.value, flags: item.flags }, reply: 'STORED' };
    case 'incr': {
      if (item === null) return { item, reply: 'NOT_FOUND' };
      const value = String(Number(item.value) + write.delta);
      return { item: { value, flags: item.flags }, reply: value };
    }
    case 'delete':
      return { item: null, reply: item === null ? 'NOT_FOUND' : 'DELETED' };
    case 'cas':
      if (item === null) return { item, reply: 'NOT_FOUND' };
      return { item: { value: write.value, flags: write.flags }, reply: 'STORED' };
  }
}
