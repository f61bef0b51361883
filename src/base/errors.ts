/**
 * The three kinds of failure (docs/STYLE.md, rule 6). The client's are protocol replies and never appear here. The
 * world's are `HotspareError`s with a code, a sentence that names the error, and one that says how to mend it. Ours are
 * assertions, and end the process: a standby is there for that.
 */
import { getSystemErrorMap } from 'node:util';

/** Codes of failures outside this program, each with the exit status that `hotspare` ends with. */
export const exitStatus = {
  /** A flag or its value is wrong. */
  USAGE: 64,
  /** The address is in use or may not be bound. */
  LISTEN: 71,
  /** Memory cannot be mapped or locked. */
  MEMORY: 71,
  /** A memory file is damaged, of another version, of another geometry, or in use. */
  REGION: 65,
  /** The peer refused us, or proved not to know the secret. */
  LINK_REFUSED: 77,
  /** The peer cannot have us now: it has another standby, say. A standby waits. */
  LINK_BUSY: 75,
  /** The peer speaks another version or has another layout. */
  LINK_VERSION: 76,
  /** The link was lost before the standby was in sync: it has nothing it may serve. */
  LINK_LOST: 75,
  /** The peer cannot be reached. */
  LINK_UNREACHABLE: 69,
  /** `--transport rdma` on a machine that cannot, or not with this much memory. */
  FABRIC: 69,
  /** A drill found lost or wrong data. */
  DRILL: 1,
} as const;

export type ErrorCode = keyof typeof exitStatus;

/** A failure of the world: `message` names the error, `remedy` says how to mend it. */
export class HotspareError extends Error {
  override readonly name = 'HotspareError';
  readonly code: ErrorCode;
  readonly remedy: string;

  constructor(code: ErrorCode, message: string, remedy: string) {
    super(message);
    this.code = code;
    this.remedy = remedy;
  }
}

/** The system's meaning of an errno or of its name, in words and by name: `host is unreachable (EHOSTUNREACH)`. */
export function systemReason(error: number | string | undefined): string {
  for (const [code, [name, sentence]] of getSystemErrorMap()) {
    if (name === error || -code === error) return `${sentence} (${name})`;
  }
  return typeof error === 'number' ? `system error ${error}` : (error ?? 'unknown');
}

/** Ends the process by an exception that nobody catches: the program is wrong, not its input. */
export function assert(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${sentence}`);
}
