/**
 * Authentication (`-Y`): a connection must first send `set <anything> <flags> <exptime> <bytes>` with `user password`
 * as its value, as in memcached. Anything else is refused, line by line.
 */

import { authBytesMax, lineBytesMax } from '../base/limits.js';
import type { Credentials } from '../process/credentials.js';
import { ascii, lines } from '../protocol/reply.js';
import type { Counters } from '../stats/counters.js';
import type { CommandParts, Exchange } from './execution/exchange.js';

/** Returned by `step` when the connection is to be closed without an answer. */
export const hangUp = -1;

const setWord = ascii('set');
const tokensLeast = 5;
const lengthToken = 4;
const SPACE = 0x20;
const RETURN = 0x0d;
const NEWLINE = 0x0a;

export class Authentication {
  /** True when the last step let its connection in. */
  authenticated = false;
  private readonly exchange: Exchange;
  private readonly counters: Counters;
  private readonly credentials: Credentials;

  constructor(
    { exchange, counters }: Pick<CommandParts, 'exchange' | 'counters'>,
    credentials: Credentials,
  ) {
    this.exchange = exchange;
    this.counters = counters;
    this.credentials = credentials;
  }

  /** Handles one request at `at`; returns where the rest begins, `at` when more bytes are needed, or `hangUp`. */
  step(at: number, end: number): number {
    this.authenticated = false;
    const { exchange } = this;
    const { line, output, decimal } = exchange;
    if (!line.scan(at, end)) return end - at > lineBytesMax ? hangUp : at;
    const asks =
      line.count >= tokensLeast &&
      line.is(0, setWord) &&
      exchange.readUnsigned(lengthToken) &&
      decimal.high === 0;
    if (!asks) {
      output.put(lines.unauthenticated);
      return line.next;
    }
    const length = decimal.low >>> 0;
    if (length > authBytesMax) return hangUp;
    const from = line.next;
    const next = from + length + 2;
    if (next > end) return at;
    const { bytes } = line;
    if (bytes[next - 2] !== RETURN || bytes[next - 1] !== NEWLINE)
      output.put(lines.authTermination);
    else this.judge(bytes.subarray(from, next - 2));
    return next;
  }

  private judge(block: Uint8Array): void {
    const { counters } = this;
    const { output } = this.exchange;
    const [name, password] = words(block);
    if (name === undefined || password === undefined) {
      output.put(lines.authFormat);
      return;
    }
    counters.authCommands++;
    this.authenticated = this.credentials.admits(name, password);
    if (!this.authenticated) counters.authErrors++;
    output.put(this.authenticated ? lines.stored : lines.authFailure);
  }
}

/** The words of a data block, cut at spaces; a NUL ends it, as for memcached's tokenizer. */
function words(block: Uint8Array): Uint8Array[] {
  const zero = block.indexOf(0);
  const end = zero < 0 ? block.length : zero;
  const found: Uint8Array[] = [];
  for (let at = 0; at < end; ) {
    const space = block.subarray(0, end).indexOf(SPACE, at);
    const stop = space < 0 ? end : space;
    if (stop > at) found.push(block.subarray(at, stop));
    at = stop + 1;
  }
  return found;
}
