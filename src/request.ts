/** What passes between a session and the commands it runs: outcomes, and commands that are not done with one line. */

import type { Phrase } from './protocol/reply.js';

/** What the session has to do after a command. */
export const Outcome = {
  DONE: 0,
  /** Close the connection when its replies are sent. */
  CLOSE: 1,
  /** `request` describes an item whose value follows. */
  VALUE: 2,
  /** The data block that follows (`request.valueLength` and its line end) is not wanted. */
  SWALLOW: 3,
  /** Keys follow: `retrieve` answers them. */
  KEYS: 4,
  /** A long answer follows, piece by piece: the session's `answer`. */
  ANSWER: 5,
} as const;

export const Verb = { SET: 0, ADD: 1, REPLACE: 2, APPEND: 3, PREPEND: 4, CAS: 5 } as const;

/** A storage command whose value is arriving. */
export class StorageRequest {
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
  /** What is answered once the data block has been swallowed; null = nothing. */
  refusal: Phrase | null = null;
  /** The chunk reserved for it, 0 before. */
  ref = 0;

  assign(other: StorageRequest): void {
    Object.assign(this, other);
  }
}

/** A retrieval command whose keys are being answered. */
export class Retrieval {
  withCas = false;
  touches = false;
  exptime = 0;
}
