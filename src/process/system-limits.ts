/** The limits of this process (getrlimit), as /proc tells them. A bare chroot has no /proc: they are unknown there. */
import { readFileSync } from 'node:fs';

/** The soft and the hard limit, Infinity for none; null where the system does not tell. */
export function limitsOf(
  name: 'Max open files' | 'Max locked memory',
): readonly [number, number] | null {
  const line = new RegExp(`^${name} +(\\w+) +(\\w+)`, 'm').exec(readOrEmpty('/proc/self/limits'));
  if (line === null) return null;
  const number = (text: string): number =>
    text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  return [number(line[1]!), number(line[2]!)];
}

/** The text of a file; empty where it cannot be read. */
export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
