/**
 * The answer to a reservation: the ref of a chunk, or the reason why there is none. A caller need look nowhere else,
 * and the compiler lets no WAIT pass for a ref. WAIT is no number, as in the largest regions every 32-bit number but 0
 * may be a ref.
 */

/** There is no memory, and waiting would not help, so the command is refused. */
export const FULL = 0;
/** Memory is being made, or a copy, so the same command gets its chunk when it is executed anew in a later tick. */
export const WAIT = null;

/** A ref, FULL or WAIT. */
export type Reservation = number | typeof WAIT;
