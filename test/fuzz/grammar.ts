/**
 * What a server may say, whatever it was sent: documented lines, each ended by CR LF, and data blocks of the
 * announced length. Fed with replies as they come; throws at the first byte that does not fit.
 *
 *   reply = line | VALUE … bytes [cas] CR LF data CR LF | VA bytes … CR LF data CR LF
 */

const LINE_BYTES_MAX = 4096;

/** Lines that end an answer. */
const lastLines = [
  /^(?:STORED|NOT_STORED|EXISTS|NOT_FOUND|DELETED|TOUCHED|END|OK|RESET|ERROR)$/,
  /^VERSION [\x21-\x7e]+$/,
  // incr and decr.
  /^\d{1,20}$/,
  /^CLIENT_ERROR (?:bad command line format(?:\. {2}Usage: delete <key> \[noreply\])?|bad data chunk)$/,
  /^CLIENT_ERROR (?:invalid exptime argument|invalid numeric delta argument)$/,
  /^CLIENT_ERROR cannot increment or decrement non-numeric value$/,
  /^CLIENT_ERROR (?:bad token in command line format|(?:invalid|duplicate|invalid or duplicate) flag)$/,
  /^CLIENT_ERROR (?:opaque token too long|options flags (?:are )?too long|error decoding key)$/,
  /^CLIENT_ERROR (?:incorrect length for M token|invalid mode for m[as] M token)$/,
  /^CLIENT_ERROR invalid numeric (?:initial|delta) value$/,
  /^SERVER_ERROR (?:object too large for cache|out of memory storing object)$/,
  /^SERVER_ERROR (?:out of memory writing get response|Out of memory during read)$/,
  /^(?:HD|EN|NS|NF|EX)(?: [^ \n\0]+)*$/,
  /^MN$/,
  /^ME [^ \n\0]{1,336} exp=-?\d+ la=\d+ cas=\d+ fetch=(?:yes|no) cls=\d+ size=\d+$/,
];
const statLine = /^STAT [\x21-\x7e]+ [\x20-\x7e]*$/;
const valueLine = /^VALUE ([^ \n\0]{1,250}) (\d{1,10}) (\d{1,10})(?: \d{1,20})?$/;
const metaValueLine = /^VA (\d{1,10})(?: [^ \n\0]+)*$/;

export class Grammar {
  /** How many answers have ended. */
  ended = 0;
  #line = '';
  #dataLeft = 0;
  #ending = '';

  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#dataLeft > 0) {
        const taken = Math.min(this.#dataLeft, bytes.length - at);
        this.#dataLeft -= taken;
        at += taken;
      } else if (this.#ending !== '') {
        this.#end(bytes[at] as number);
        at += 1;
      } else {
        at = this.#lineFrom(bytes, at);
      }
    }
  }

  /** True between answers: nothing has come of the next one. */
  between(): boolean {
    return this.#line === '' && this.#dataLeft === 0 && this.#ending === '';
  }

  #lineFrom(bytes: Buffer, at: number): number {
    const feedAt = bytes.indexOf(10, at);
    const end = feedAt < 0 ? bytes.length : feedAt + 1;
    this.#line += bytes.toString('latin1', at, end);
    if (this.#line.length > LINE_BYTES_MAX) {
      throw new Error(
        `a line of more than ${LINE_BYTES_MAX} bytes: ${JSON.stringify(this.#line.slice(0, 200))}`,
      );
    }
    if (feedAt >= 0) {
      const line = this.#line;
      this.#line = '';
      this.#judge(line);
    }
    return end;
  }

  #judge(line: string): void {
    if (!line.endsWith('\r\n')) {
      throw new Error(`a line that ends without CR: ${JSON.stringify(line)}`);
    }
    const text = line.slice(0, -2);
    const length = valueLine.exec(text)?.[3] ?? metaValueLine.exec(text)?.[1];
    if (length !== undefined) {
      this.#dataLeft = Number(length);
      this.#ending = '\r\n';
      this.ended += text.startsWith('VA ') ? 1 : 0;
    } else if (lastLines.some((pattern) => pattern.test(text))) {
      this.ended += 1;
    } else if (!statLine.test(text)) {
      throw new Error(`not a documented line: ${JSON.stringify(text)}`);
    }
  }

  #end(byte: number): void {
    if (byte !== this.#ending.charCodeAt(0)) {
      throw new Error(`a data block is followed by byte ${byte}, not by CR LF`);
    }
    this.#ending = this.#ending.slice(1);
  }
}
