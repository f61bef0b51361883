/** Every remedy in a message of the program is tried by a test: test/support/remedies.ts says by which. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { literalsOf, remediesOf, remediesOfProgram } from '../support/messages.js';
import { type Trial, trials } from '../support/remedies.js';

const root = join(__dirname, '../../..');
const remedies = remediesOfProgram(root);
const rows = Object.entries(trials).flatMap(([file, ofFile]) =>
  Object.entries(ofFile).map(([words, trial]) => ({ file, words, trial })),
);
/** Remedies that no test can try: what is to be done about the machine itself. */
const untriedMost = 3;

test('a remedy is found by its place, and by its words', () => {
  const found = (text: string): string[] => remediesOf('x.ts', text).map(({ words }) => words);
  expect(found("throw new HotspareError('USAGE', 'it is so', 'hope, or raise -m');")).toEqual([
    'hope',
    'raise -m',
  ]);
  expect(found("usage(`-m: the memory is short`, good ? x : 'pray for it');")).toEqual([
    'pray for it',
  ]);
  expect(found("const remedy = inUse ? 'stop it' : elsewhere;")).toEqual(['stop it']);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: It is a source text.
  const template = 'log.say(`dropped ${who}; raise -m by ${bytes}, or free some (now)`);';
  expect(found(template)).toEqual(['raise -m by …', 'free some (now']);
  expect(found("row('-m <num>', 'use so much'); // give it more\nsend('set a\\r\\n');")).toEqual(
    [],
  );
  expect(found("if (/'/.test(text)) refuse('too much: give less');")).toEqual(['give less']);
});

test('the table has every remedy of the program', () => {
  const known = ({ place, words }: { place: string; words: string }): boolean =>
    trials[place.replace(/:\d+$/, '')]?.[words] !== undefined;
  expect(remedies.filter((remedy) => !known(remedy))).toEqual([]);
});

test('the table has nothing that the program does not say', () => {
  const said = new Set(remedies.map(({ place, words }) => place.replace(/\d+$/, words)));
  expect(rows.filter(({ file, words }) => !said.has(`${file}:${words}`))).toEqual([]);
});

test('few remedies are not tried, each for a reason', () => {
  const untried = rows.filter(({ trial }) => 'untried' in trial);
  expect(untried.length).toBeLessThanOrEqual(untriedMost);
});

describe('the test of', () => {
  const sources = new Map<string, string>();
  const read = (file: string): string => {
    const text = sources.get(file) ?? readFileSync(join(root, 'test', file), 'utf8');
    sources.set(file, text);
    return text;
  };

  test.each(tried(rows))(
    '%s is there, and sees the remedy in a message',
    (_, words, [file, title]) => {
      const text = read(file);
      // The title is a text of its own, or the name of a case.
      const titles = literalsOf(text).map((literal) => literal.text);
      const names = [...text.matchAll(/^ {2}(\w+): \{$/gm)].map(([, name]) => name!);
      expect([...titles, ...names]).toContain(title);
      // Regular expressions have backslashes in it, and a long text may be broken.
      const plain = text.replaceAll(/\\(.)/g, '$1').replaceAll(/' \+\s*'/g, '');
      for (const piece of words.split(/ ?… ?/)) expect(plain).toContain(piece.trim());
    },
  );
});

function tried(
  all: readonly { file: string; words: string; trial: Trial }[],
): [string, string, readonly [string, string]][] {
  return all.flatMap(({ file, words, trial }) =>
    'untried' in trial ? [] : [[`${file}: ${words}`, words, trial]],
  );
}
