/** Values that say of themselves whose they are and how old: an old one that comes back is known as old. Pure. */

/** The value that the n-th write of a key sets, filled up to `bytes`. */
export function textOf(key: string, serial: number, bytes: number): string {
  return `${key}#${serial}#`.padEnd(bytes, 'x');
}

/** The number that the n-th write of a numeric key sets: above whatever incr has made of those before. */
export function numberOf(serial: number): number {
  return serial * 1000;
}

/** What grows from value to value of a key, or null when this is no value of the key. */
export function serialOf(key: string, numeric: boolean, value: string): number | null {
  if (numeric) return /^\d+$/.test(value) ? Number(value) : null;
  if (!value.startsWith(`${key}#`)) return null;
  const serial = /#(\d+)#x*$/.exec(value);
  return serial === null ? null : Number(serial[1]);
}
