/**
 * A request line, cut into tokens where it stands. It allocates nothing: the tokens are offsets into the input.
 *
 * As in memcached a line ends at \n, one \r before it is dropped, tokens are separated by spaces only, and a NUL ends
 * the line for a reader of its tokens.
 */

/** Tokens that are recorded. A line may have more (`get`); a reader finds them in the input. */
export const tokensMax = 24;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class Line {
  /** The bytes that the offsets below refer to, and a view of them. */
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Tokens of the line, including those that are not recorded. */
  count = 0;
  /** Length of the longest token. */
  longest = 0;
  /** Offset behind the newline. */
  next = 0;
  private readonly starts = new Int32Array(tokensMax);
  private readonly lengths = new Int32Array(tokensMax);

  start(token: number): number {
    return this.starts[token]!;
  }

  length(token: number): number {
    return this.lengths[token]!;
  }

  /** Cuts the line that begins at `from`. False when it has no newline before `end`. */
  scan(from: number, end: number): boolean {
    const { bytes, view } = this;
    let at = from;
    let count = 0;
    this.longest = 0;
    for (;;) {
      while (at < end && bytes[at] === SPACE) at++;
      const start = at;
      let byte = SPACE;
      for (;;) {
        at = tokenEnd(view, at, end);
        if (at >= end) break;
        byte = bytes[at]!;
        // Other control characters are part of the token.
        if (byte === SPACE || byte === NEWLINE || byte === 0) break;
        at++;
      }
      if (at >= end) return false;
      let length = at - start;
      if (byte === NEWLINE && length > 0 && bytes[at - 1] === RETURN) length--;
      if (length > 0) {
        if (count < tokensMax) {
          this.starts[count] = start;
          this.lengths[count] = length;
        }
        count++;
        if (length > this.longest) this.longest = length;
      }
      if (byte === SPACE) continue;
      if (byte === 0) {
        at = bytes.indexOf(NEWLINE, at);
        if (at < 0 || at >= end) return false;
      }
      this.count = count;
      this.next = at + 1;
      return true;
    }
  }

  /** True when a token is this word. */
  is(token: number, word: Uint8Array): boolean {
    const length = this.lengths[token]!;
    if (length !== word.length) return false;
    const start = this.starts[token]!;
    for (let i = 0; i < length; i++) {
      if (this.bytes[start + i] !== word[i]) return false;
    }
    return true;
  }

  /** True when a token begins with this word. */
  beginsWith(token: number, word: Uint8Array): boolean {
    const start = this.starts[token]!;
    return (
      this.lengths[token]! >= word.length && word.every((byte, i) => this.bytes[start + i] === byte)
    );
  }

  /** A token as text, for the rare commands. */
  text(token: number): string {
    const start = this.starts[token]!;
    return String.fromCharCode(...this.bytes.subarray(start, start + this.lengths[token]!));
  }
}

/**
 * Offset of the first byte from `at` on that is a space or a control character, or `end`. Looks at four bytes at a
 * time (Mycroft's test for a byte below a bound), so it reads up to 3 bytes behind `end`.
 */
export function tokenEnd(view: DataView, at: number, end: number): number {
  for (let i = at; i < end; i += 4) {
    const word = view.getInt32(i, true);
    const below = (word - 0x21212121) & ~word & -0x7f7f7f80;
    if (below !== 0) {
      const found = i + ((31 - Math.clz32(below & -below)) >>> 3);
      return found < end ? found : end;
    }
  }
  return end;
}

/** True for bytes that end a token: a space, a newline, and a NUL. */
export function isDelimiter(byte: number): boolean {
  return byte <= SPACE && (byte === SPACE || byte === NEWLINE || byte === 0);
}
