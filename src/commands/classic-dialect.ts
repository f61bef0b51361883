/** The dialect of set, add, replace, append, prepend and cas: one phrase for each outcome. */
import type { Phrase } from '../protocol/reply.js';
import type { Store } from '../store/store.js';
import type { CommandParts, Exchange } from './execution/exchange.js';
import type { StorageDialect, StorageRequest } from './execution/request.js';

export class ClassicDialect implements StorageDialect {
  readonly countsPrefixes = true;
  readonly alwaysDrops = false;
  private readonly exchange: Exchange;
  private readonly store: Store;

  constructor({ exchange, store }: Pick<CommandParts, 'exchange' | 'store'>) {
    this.exchange = exchange;
    this.store = store;
  }

  clear(request: StorageRequest): void {
    request.casLow = 0;
    request.casHigh = 0;
    request.vivifies = false;
    request.explicit = null;
  }

  /** Does nothing, as the line can be read again as it stands. */
  comeAgain(): void {}

  /** Does nothing, as no answer repeats the key. */
  keyStands(): void {}

  mayInvalidate(): boolean {
    return false;
  }

  commit({ ref, flags, exptime }: StorageRequest, old: number): void {
    this.store.commit(ref, old, flags, exptime);
  }

  answer(_: StorageRequest, phrase: Phrase): void {
    this.exchange.say(phrase);
  }
}
