/** Parsers for the values of flags: functions from text to value that say in one sentence how a value is wrong. */
import { InvalidArgumentError } from 'commander';

export type Parser = (text: string, before: unknown) => unknown;

/** A whole number; `sentence` is memcached's where it has one. */
export function integer(least: number, most: number, sentence?: string): Parser {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const range = `It is a whole number from ${least} to ${most}.`;
    throw new InvalidArgumentError(sentence === undefined ? range : `${sentence}. ${range}`);
  };
}

/** A number greater than 1 and at most `most`. */
export function factor(most: number): Parser {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value > 1 && value <= most) return value;
    throw new InvalidArgumentError(
      `Factor must be greater than 1. It is a number of at most ${most}.`,
    );
  };
}

export function octal(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8) & 0o777;
  throw new InvalidArgumentError('It is an octal number such as 0700.');
}

/** Bytes, or a number with the unit k, m or g. */
export function size(least: number, most: number, tooSmall: string, tooLarge: string): Parser {
  return (text) => {
    const match = /^(\d+)([kKmMgG]?)$/.exec(text);
    if (match === null) throw new InvalidArgumentError('It is bytes, or a number with k or m.');
    const unit = { '': 1, k: 1024, m: 2 ** 20, g: 2 ** 30 }[match[2]!.toLowerCase()]!;
    const bytes = Number(match[1]) * unit;
    if (bytes < least) throw new InvalidArgumentError(tooSmall);
    if (bytes > most) throw new InvalidArgumentError(tooLarge);
    return bytes;
  };
}

/** Several values, with commas or by repeating the flag; as in memcached, a repeated value counts once. */
export function list(text: string, before: unknown): string[] {
  const known = before as string[];
  const added = text.split(/[,;]/);
  return added.every((one) => known.includes(one)) ? known : [...known, ...added];
}

/** Every value of a flag that is repeated. */
export function each(text: string, before: unknown): string[] {
  return [...(before as string[]), text];
}

/** How often a flag without a value was given. */
export function count(_: string, before: unknown): number {
  return (before as number) + 1;
}

/** The first character, as memcached takes it. */
export function character(text: string): string {
  if (/^[!-~]/.test(text)) return text[0]!;
  throw new InvalidArgumentError('It is one printable character.');
}

/** Accepts the keys of `words`, each for its value. */
export function oneOf(words: Readonly<Record<string, unknown>>, sentence: string): Parser {
  return (text) => {
    if (Object.hasOwn(words, text)) return words[text];
    throw new InvalidArgumentError(sentence);
  };
}
