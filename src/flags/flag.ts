/**
 * The definition of a flag; turns a table of flags into a command's options. Every flag of memcached is of one of three
 * kinds:
 *
 *      implemented   it has the same effect here
 *      tuning        it tunes a part of memcached that is not here: accepted, and one line says so
 *      refused       ignoring it would break a promise: the start is refused, with the remedy
 */
import { type Command, Option } from 'commander';
import type { HotspareError } from '../base/errors.js';
import { usage } from './settings.js';
import type { Parser } from './values.js';

export type Kind = 'implemented' | 'tuning' | 'refused';

/** The users of a flag: a node's clients, its region (a standby takes these from its primary), or the process. */
export type Scope = 'clients' | 'geometry' | 'process';

export interface Flag {
  /** As commander writes it: `-p, --port <num>`. */
  readonly form: string;
  readonly kind: Kind;
  readonly scope: Scope;
  /** The flag's effect; or why it has none here; or why it is refused. */
  readonly sentence: string;
  /** Refused flags: the alternative. */
  readonly remedy?: string;
  readonly parse?: Parser;
  /** The value when the flag is not given, and how the help shows it. */
  readonly initial?: readonly [value: unknown, shown?: string];
  /** True for values of the flag's kind; other values are simply taken. Default: all are of its kind. */
  readonly when?: (value: unknown) => boolean;
}

/** The values of a command's flags, by their long names in camel case. */
export type Values = Readonly<Record<string, unknown>>;

/** Gives a command the flags of a table. */
export function addFlags(command: Command, table: readonly Flag[]): Command {
  for (const flag of table) command.addOption(optionOf(flag));
  return command;
}

/** Lines about the given flags that do nothing here. Throws HotspareError for a given flag that is refused. */
export function review(command: Command, table: readonly Flag[]): string[] {
  return table.flatMap((flag) => {
    const option = optionOf(flag);
    const name = option.attributeName();
    const value = command.getOptionValue(name) as unknown;
    if (command.getOptionValueSource(name) !== 'cli') return [];
    if (flag.kind === 'implemented' || flag.when?.(value) === false) return [];
    const given = `${option.short ?? option.long}${value === true ? '' : ` ${value}`}`;
    if (flag.kind === 'refused') throw refused(given, flag);
    return [`${given}: ${flag.sentence}`];
  });
}

/** The given flags of a command, as arguments for another process. */
export function given(command: Command, table: readonly Flag[]): string[] {
  return table.flatMap((flag) => {
    const option = optionOf(flag);
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli') return [];
    const value = command.getOptionValue(name) as unknown;
    const word = option.long ?? option.short!;
    if (name === 'verbose') return Array<string>(value as number).fill('-v');
    if (name === 'unixMask') return [word, (value as number).toString(8)];
    if (Array.isArray(value)) return value.flatMap((one) => [word, String(one)]);
    return value === true ? [word] : [word, String(value)];
  });
}

function refused(flag: string, { sentence, remedy }: Flag): HotspareError {
  return usage(`${flag}: ${sentence}`, remedy);
}

function optionOf({ form, kind, sentence, parse, initial }: Flag): Option {
  const remark = { implemented: '', tuning: 'no effect here: ', refused: 'refused: ' }[kind];
  const option = new Option(form, remark + sentence);
  if (parse !== undefined) option.argParser(parse);
  if (initial !== undefined) option.default(...initial);
  return option;
}
