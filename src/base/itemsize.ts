/** How large memcached counts an item, which is what -I limits and what `me` shows. */

/**
 * memcached's item header with its CAS id, its key's NUL and its value's line end: what it counts beside key and
 * value.
 */
const overheadBytes = 59;
/** And the client flags, where they are not zero. */
const flagsBytes = 4;

export function memcachedBytes(keyLength: number, valueLength: number, flags: number): number {
  return overheadBytes + keyLength + valueLength + (flags === 0 ? 0 : flagsBytes);
}
