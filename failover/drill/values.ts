/** Values that name their key and their age, so that an old value that comes back is known as old. Pure. */

/** The value that the n-th write of a key sets, filled up to `bytes`. */
export function textOf(key: string, serial: number, bytes: number): string {
  return `${key}#${serial}#`.padEnd(bytes, 'x');
}

/** The number that the n-th write of a numeric key sets, above all that incr can have made of earlier numbers. */
export function numberOf(serial: number): number {
  return serial * 1000;
}

/** The serial number in a value, which grows with each write of the key; null when this is no value of the key. */
export function serialOf(key: string, numeric: boolean, value: string): number | null {
  if (numeric) return /^\d+$/.test(value) ? Number(value) : null;
  if (!value.startsWith(`${key}#`)) return null;
  const serial = /#(\d+)#x*$/.exec(value);
  return serial === null ? null : Number(serial[1]);
}
