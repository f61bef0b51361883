/**
 * docs/PROTOCOL.md lists every difference from memcached, each with a name and a reason; a case of the table, or the
 * test that the list names, shows it. The list and the tests are held together here, in both directions.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { topics } from './cases/index.js';

const root = join(__dirname, '..', '..', '..');
const columns = ['name', 'case', 'memcached 1.6.18', 'hotspare', 'why', 'shown by'];
const inTheTable = 'the table';

const rows = listed(readFileSync(join(root, 'docs', 'PROTOCOL.md'), 'utf8'));
const cases = topics.flatMap((topic) => topic.cases).filter((row) => row.differs !== undefined);

describe('differences from memcached', () => {
  test('docs/PROTOCOL.md lists some, each once, with a reason', () => {
    expect(rows.length).toBeGreaterThan(3);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    expect(rows.filter(({ why }) => why!.length < 10)).toEqual([]);
  });

  test.each(cases)('$name: docs/PROTOCOL.md knows its difference', ({ differs }) => {
    const row = rows.find(({ name }) => name === `\`${differs!.name}\``);
    expect(row?.['shown by']).toBe(inTheTable);
  });

  test.each(rows)('$name: $shown by shows it', ({ name, 'shown by': shownBy }) => {
    const bare = name!.replaceAll('`', '');
    if (shownBy === inTheTable) {
      expect(cases.map(({ differs }) => differs!.name)).toContain(bare);
      return;
    }
    const path = join(root, shownBy!.replaceAll('`', ''));
    expect([path, existsSync(path)]).toEqual([path, true]);
    expect(readFileSync(path, 'utf8')).toContain(`difference ${bare}`);
  });
});

/** The rows of the table whose head has these columns. */
function listed(text: string): Record<string, string>[] {
  const lines = text.split('\n');
  const head = lines.indexOf(`| ${columns.join(' | ')} |`);
  expect(head).toBeGreaterThan(0);
  const end = lines.findIndex((line, at) => at > head && !line.startsWith('|'));
  return lines.slice(head + 2, end).map((line) => {
    const cells = line.slice(2, -2).split(' | ');
    expect(cells).toHaveLength(columns.length);
    return Object.fromEntries(columns.map((column, at) => [column, cells[at]!]));
  });
}
