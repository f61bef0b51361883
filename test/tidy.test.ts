/** What docs/STYLE.md asks for and a program can check. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { words } from '../src/flags/extended-words.js';
import { memcachedFlags } from '../src/flags/server-flags.js';

const root = join(__dirname, '..', '..');
const lineLengthMax = 120;
/** Most files have 60 to 300 lines; a state machine with its drawing may need this many. */
const fileLinesMax = 600;

/** Source files that belong to the project: TypeScript and C++. */
const sources = ['cli', 'src', 'backup', 'failover', 'test', 'bench', 'native'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|cc|h)$/.test(name))
    .map((name) => join(folder, name)),
);

describe('sources', () => {
  test('there are some', () => {
    expect(sources.length).toBeGreaterThan(40);
  });

  test.each(sources)('%s', (name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const lines = text.split('\n');
    // Data of the conformance table is what is sent, and may be long.
    const data = name.includes(join('conformance', 'cases'));
    if (!data) expect(lines.filter((line) => line.length > lineLengthMax)).toEqual([]);
    expect(lines.length).toBeLessThanOrEqual(fileLinesMax + 1);
    // A file opens with what it is. main.ts has its interpreter line before that.
    expect(text.replace(/^#!.*\n/, '')).toMatch(/^(\/\*\*|\/\/)/);
    if (name !== join('test', 'tidy.test.ts')) expect(text).not.toMatch(/\b(master|slave)\b/i);
  });
});

describe('docs', () => {
  const documents = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name));

  test.each(['README.md', 'CONTRIBUTING.md', ...documents])(
    'the links of %s lead somewhere',
    (name) => {
      const text = readFileSync(join(root, name), 'utf8');
      const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link]) => link!);
      for (const link of links.filter((one) => !/^https?:/.test(one))) {
        expect([link, existsSync(join(root, name, '..', link))]).toEqual([link, true]);
      }
    },
  );

  test.each(documents)('%s names files that are there', (name) => {
    const named = filesNamed(readFileSync(join(root, name), 'utf8'));
    for (const path of named) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });

  test('HACKING.md and ARCHITECTURE.md name files', () => {
    for (const name of ['HACKING.md', 'ARCHITECTURE.md']) {
      const text = readFileSync(join(root, 'docs', name), 'utf8');
      expect(filesNamed(text).length).toBeGreaterThan(5);
    }
  });

  test('OPERATING.md names every flag of the help', () => {
    const operating = readFileSync(join(root, 'docs', 'OPERATING.md'), 'utf8');
    const main = join(root, 'dist', 'cli', 'main.js');
    for (const command of [[], ['standby'], ['pair'], ['drill']]) {
      const help = execFileSync(process.execPath, [main, ...command, '-h'], { encoding: 'utf8' });
      const flags = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag]) => flag!);
      expect(flags.length).toBeGreaterThan(3);
      for (const flag of flags) expect([flag, operating.includes(flag)]).toEqual([flag, true]);
    }
  });

  test('OPERATING.md says of every flag and word what kind it is', () => {
    const rows = readFileSync(join(root, 'docs', 'OPERATING.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split(' | '));
    const kindOf = (name: string, column: number) =>
      rows.find(([names]) => names!.includes(`\`${name}\``))?.[column]?.replace(/, .*/, '');
    for (const { form, kind } of memcachedFlags) {
      for (const [name] of form.matchAll(/--?[\w-]+/g)) {
        expect([name, kindOf(name, 2)]).toEqual([name, kind]);
      }
    }
    for (const [name, { kind }] of Object.entries(words)) {
      expect([name, kindOf(name, 1)]).toEqual([name, kind]);
    }
  });
});

/** The files of this project that a text names in backquotes. */
function filesNamed(text: string): string[] {
  const named = /`((?:cli|src|backup|failover|native|bench|test)\/[\w/.-]+\.(?:ts|cc|h|c|json))`/g;
  return [...text.matchAll(named)].map(([, path]) => path!);
}
