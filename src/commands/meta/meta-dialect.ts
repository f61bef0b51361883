/**
 * The dialect of ms: it answers with a result, and the parts of the line that it repeats. The request keeps these, as
 * the line may be gone when the value has arrived.
 */
import { lines, type Output, type Phrase } from '../../protocol/reply.js';
import { casHigh, casLow, hasCas } from '../../store/cas.js';
import { EXPTIME, ItemBit, KEY_AND_BITS, VALUE_LENGTH } from '../../store/layout.js';
import type { Store } from '../../store/store.js';
import type { CommandParts } from '../execution/exchange.js';
import { Echo, echoBits, type StorageDialect, type StorageRequest } from '../execution/request.js';
import type { MetaExchange } from './exchange.js';

const SPACE = 0x20;
const LETTER_C = 0x63;
const LETTER_S = 0x73;
/** Mask of the lowest remaining echo. */
const echoMask = 2 ** echoBits - 1;

export class MetaDialect implements StorageDialect {
  readonly countsPrefixes = false;
  readonly alwaysDrops = true;
  private readonly meta: MetaExchange;
  private readonly output: Output;
  private readonly store: Store;
  /** The key of the running command: its bytes, view and offset. */
  private keyBytes: Uint8Array;
  private keyView: DataView;
  private keyAt = 0;

  constructor({ exchange, store }: Pick<CommandParts, 'exchange' | 'store'>, meta: MetaExchange) {
    this.meta = meta;
    this.output = exchange.output;
    this.store = store;
    this.keyBytes = exchange.line.bytes;
    this.keyView = exchange.line.view;
  }

  clear(request: StorageRequest): void {
    this.meta.flags.lower = 0;
    request.hidesSuccess = false;
    request.invalidates = false;
    request.vivifies = false;
    request.explicit = null;
    request.bits = 0;
    request.echoes = 0;
  }

  comeAgain(): void {
    this.meta.comeAgain();
  }

  keyStands(bytes: Uint8Array, view: DataView, at: number): void {
    this.keyBytes = bytes;
    this.keyView = view;
    this.keyAt = at;
  }

  /** True when a CAS id that is too low stores a stale value (I). */
  mayInvalidate(request: StorageRequest, old: number): boolean {
    if (!request.invalidates) return false;
    const { region } = this.store;
    const high = casHigh(region, old) >>> 0;
    const wanted = request.casHigh >>> 0;
    if (wanted !== high) return wanted < high;
    return request.casLow >>> 0 < casLow(region, old) >>> 0;
  }

  /** Links the filled chunk. A value that invalidates the old item keeps its expiry, and its TOKEN_SENT bit. */
  commit(request: StorageRequest, old: number): void {
    const { store } = this;
    const { region } = store;
    const { ref, flags, exptime, bits } = request;
    if (!request.invalidates || hasCas(region, old, request.casLow, request.casHigh)) {
      store.commit(ref, old, flags, exptime, bits);
      return;
    }
    const sent = region.itemWord(old, KEY_AND_BITS) & ItemBit.TOKEN_SENT;
    const left = region.itemWord(old, EXPTIME);
    store.commit(ref, old, flags, left, bits | ItemBit.STALE | sent);
  }

  answer(request: StorageRequest, phrase: Phrase, stored: number): void {
    if (stored !== 0 && request.hidesSuccess) return;
    const { meta, output } = this;
    output.put(stored !== 0 ? lines.metaHit : resultOf(phrase));
    for (let { echoes } = request; echoes !== 0; echoes >>>= echoBits) {
      switch (echoes & echoMask) {
        case Echo.OPAQUE:
          output.byte(SPACE);
          request.putOpaque(output);
          break;
        case Echo.KEY: {
          const encoded = (request.bits & ItemBit.BINARY) !== 0;
          meta.putKey(this.keyBytes, this.keyView, this.keyAt, request.keyLength, encoded);
          break;
        }
        case Echo.SIZE: {
          const { valueLength } = request;
          const { region } = this.store;
          const size = stored === 0 ? valueLength : region.itemWord(stored, VALUE_LENGTH);
          meta.putNumber(LETTER_S, size);
          break;
        }
        default:
          if (stored === 0) meta.putNumber(LETTER_C, 0);
          else meta.putCas(stored);
      }
    }
    output.put(lines.crlf);
  }
}

function resultOf(phrase: Phrase): Phrase {
  switch (phrase) {
    case lines.notStored:
      return lines.metaNotStored;
    case lines.exists:
      return lines.metaExists;
    default:
      return lines.metaNotFound;
  }
}
