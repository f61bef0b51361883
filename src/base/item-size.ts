/** The size of an item as memcached counts it: -I limits that size, and `me` shows it. */

/**
 * Bytes that memcached counts beside key and value: its item header with the CAS id, the key's NUL, the value's line
 * end.
 */
const overheadBytes = 59;
/** Bytes of the client flags, counted only where they are not zero. */
const flagsBytes = 4;

export function memcachedBytes(keyLength: number, valueLength: number, flags: number): number {
  return overheadBytes + keyLength + valueLength + (flags === 0 ? 0 : flagsBytes);
}
