/** Lines that memcached treats unlike others: requests of browsers, and lines longer than a line may be. */
import { type Line, tokensMax } from './line.js';
import { ascii } from './reply.js';

const SPACE = 0x20;
const httpPrefix = ascii('HTTP/');
/** Spaces that memcached skips before it looks whether a long line is a get. */
const leadingSpacesMax = 100;

/** memcached's test for lines that may be long: `get ` or `gets `, behind at most 100 spaces. */
export function isLongGet(input: Uint8Array, at: number, end: number): boolean {
  let start = at;
  while (start < end && input[start] === SPACE && start - at <= leadingSpacesMax) start++;
  const word = String.fromCharCode(...input.subarray(start, start + 5));
  return start - at <= leadingSpacesMax && (word === 'gets ' || word.startsWith('get '));
}

/** memcached hangs up on browsers: the last token of an unknown command begins with HTTP/. */
export function isHttp(line: Line): boolean {
  const last = line.count - 1;
  if (last < 0 || last >= tokensMax) return false;
  const first = String.fromCharCode(line.bytes[line.start(0)]!);
  const length = line.length(0);
  const mayBeCommand = 'acdgist'.includes(first) || length === 1 || (first === 'm' && length === 2);
  return line.beginsWith(last, httpPrefix) && !mayBeCommand;
}
