/** Files that tests read: they stand in test/support/fixtures, and are not compiled. */
import { join } from 'node:path';

export function fixture(name: string): string {
  return join(__dirname, '..', '..', '..', 'test', 'support', 'fixtures', name);
}
