/** Commands that take more than one line, and the outcomes by which a session learns what follows a line. */

import { opaqueBytesMax } from '../../base/limits.js';
import type { Output, Phrase } from '../../protocol/reply.js';
import type { CasId } from '../../store/cas.js';

/** The work of a session after a command. */
export const Outcome = {
  DONE: 0,
  /** Close the connection once its replies are sent. */
  CLOSE: 1,
  /** An item's value follows; `request` describes the item. */
  VALUE: 2,
  /** Throw away the data block that follows (`request.valueLength` and its line end). */
  SWALLOW: 3,
  /** Keys follow: `retrieve` answers them. */
  KEYS: 4,
  /** The answer is written in slices, by `dump`. */
  DUMP: 5,
  /** There is no reply yet: the command must be executed anew in a later tick. */
  WAIT: 6,
} as const;

export const Verb = { SET: 0, ADD: 1, REPLACE: 2, APPEND: 3, PREPEND: 4, CAS: 5 } as const;

/** True when the value is added to that of an item. */
export function isConcatenation(verb: number): boolean {
  return verb === Verb.APPEND || verb === Verb.PREPEND;
}

/** Parts that the answer to ms may repeat or add. */
export const Echo = { OPAQUE: 1, KEY: 2, CAS: 3, SIZE: 4 } as const;
/** Bits of an echo. */
export const echoBits = 3;

/** The points in which a classic storage command and ms differ once their lines are read. */
export interface StorageDialect {
  /** True when `stats detail` counts the command. */
  readonly countsPrefixes: boolean;
  /** True when any failure drops the old value; else only that of a set does. */
  readonly alwaysDrops: boolean;
  /** Resets the request before a command in its plainest form, which sets only a few fields. */
  clear(request: StorageRequest): void;
  /** The request will be read again, in a later tick. */
  comeAgain(): void;
  /** The command is carried out; its key stands at `at`. */
  keyStands(bytes: Uint8Array, view: DataView, at: number): void;
  /** True when the request stores even with another CAS id than the item's. */
  mayInvalidate(request: StorageRequest, old: number): boolean;
  /** Links the filled chunk in the place of `old`, 0 for none. */
  commit(request: StorageRequest, old: number): void;
  /** Answers in its own form. `phrase`: the result, by set's word for it. `stored`: the stored item, 0 for none. */
  answer(request: StorageRequest, phrase: Phrase, stored: number): void;
}

/** A storage command whose value is arriving. */
export class StorageRequest {
  dialect: StorageDialect;
  verb: number = Verb.SET;
  quiet = false;
  flags = 0;
  /** Absolute Unix seconds; 0 = never. */
  exptime = 0;
  casLow = 0;
  casHigh = 0;
  valueLength = 0;
  keyAt = 0;
  keyLength = 0;
  hash = 0;
  /** The reply once the data block has been thrown away; null = none. */
  refusal: Phrase | null = null;
  /** The reserved chunk, 0 before. */
  ref = 0;
  /** True when success is not answered. This field and those below are set by ms alone. */
  hidesSuccess = false;
  /** A CAS id lower than the item's still stores, and leaves the item stale. */
  invalidates = false;
  /** An append or prepend without an item to extend stores its value as it is. */
  vivifies = false;
  /** The CAS id that the item is to have; null: the next one. */
  explicit: CasId | null = null;
  /** Item bits of the stored item. */
  bits = 0;
  /** The parts that the answer repeats, in order: an Echo in each `echoBits`, the first in the lowest. */
  echoes = 0;
  opaqueLength = 0;
  private readonly opaque = new Uint8Array(opaqueBytesMax);
  private readonly opaqueView = new DataView(this.opaque.buffer);

  constructor(dialect: StorageDialect) {
    this.dialect = dialect;
  }

  /** Copies all fields; the other may then serve another command. */
  assign(other: StorageRequest): void {
    const { opaque, opaqueView } = this;
    Object.assign(this, other, { opaque, opaqueView });
    opaque.set(other.opaque);
  }

  keepOpaque(bytes: Uint8Array, at: number, length: number): void {
    for (let i = 0; i < length; i++) this.opaque[i] = bytes[at + i]!;
    this.opaqueLength = length;
  }

  putOpaque(output: Output): void {
    output.copy(this.opaque, this.opaqueView, 0, this.opaqueLength);
  }
}

/** A retrieval command whose keys are being answered. */
export class Retrieval {
  withCas = false;
  touches = false;
  exptime = 0;
}
