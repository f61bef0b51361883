/** A request and its answer, as all commands see them: the tokens of the line, numbers among them, and the reply. */
import { Decimal } from '../../protocol/decimal.js';
import { Line, tokensMax } from '../../protocol/line.js';
import { ascii, type Output, type Phrase } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import type { Store } from '../../store/store.js';
import type { Lookahead } from './lookahead.js';
import type { Observer } from './observer.js';
import { Outcome } from './request.js';

const noreply = ascii('noreply');
/** Exptimes up to this are relative (30 days). */
const relativeSecondsMax = 2_592_000;

/** The parts that commands work with. Each command class names those that it uses. */
export interface CommandParts {
  readonly exchange: Exchange;
  readonly store: Store;
  readonly lookahead: Lookahead;
  readonly counters: Counters;
  readonly observer: Observer;
}

export class Exchange {
  readonly line = new Line();
  readonly output: Output;
  /** The number that was read last. */
  readonly decimal = new Decimal();
  /** Set when the last token is `noreply`, so that no reply is sent. */
  quiet = false;
  /** Set for a tick in which commands that change the cache are refused. */
  refusesWrites = false;

  constructor(output: Output) {
    this.output = output;
  }

  /**
   * Begins every command: looks for a `noreply`, which silences it, from token `noreplyFrom` on. 0: it knows no
   * `noreply`.
   */
  begin(noreplyFrom: number): void {
    const last = this.line.count - 1;
    this.quiet =
      noreplyFrom > 0 && last >= noreplyFrom && last < tokensMax && this.line.is(last, noreply);
  }

  say(text: Phrase): number {
    if (!this.quiet) this.output.put(text);
    return Outcome.DONE;
  }

  /** True when a token is a number as strtoul and memcached's check for signs read it. */
  readUnsigned(token: number): boolean {
    return this.decimal.unsigned(this.line.bytes, this.line.start(token), this.line.length(token));
  }

  readInteger(token: number): boolean {
    return this.decimal.signed(this.line.bytes, this.line.start(token), this.line.length(token));
  }
}

/** memcached's realtime(): 0 never, negative past, up to 30 days relative to `now`, else absolute. */
export function absolute(exptime: number, now: number): number {
  if (exptime === 0) return 0;
  if (exptime < 0) return 1;
  return exptime <= relativeSecondsMax ? now + exptime : exptime;
}
