/** Files in folders that are everybody's: symlinks, pipes and memory files that another user has put there. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { expectRefusal, main, said } from '../support/nodes.js';
import { type Child, startChild } from '../support/process.js';

const alone = ['-p', '-1', '-l', '127.0.0.1', '-m', '8'];
const asRoot = process.getuid?.() === 0 ? test : test.skip;
const nobody = 65_534;
let folder = '';
let children: Child[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-traps-'));
});
afterEach(async () => {
  for (const child of children) await child.end();
  children = [];
  rmSync(folder, { recursive: true });
});

async function started(args: readonly string[], environment = {}): Promise<Child> {
  const command = [main, ...alone, ...args];
  const child = await startChild(process.execPath, command, { env: environment });
  children.push(child);
  await said(child, /serving on/);
  return child;
}

describe.each([
  ['-P', (file: string) => started(['-P', file])],
  ['MEMCACHED_PORT_FILENAME', (file: string) => started([], { MEMCACHED_PORT_FILENAME: file })],
])('%s', (_, start) => {
  test('is not written through a symlink', async () => {
    const [ours, file] = [join(folder, 'ours'), join(folder, 'file')];
    writeFileSync(ours, 'dear to us');
    symlinkSync(ours, file);
    for (const suffix of ['.lck', '.tmp']) symlinkSync(ours, `${file}${suffix}`);
    await start(file);
    expect(readFileSync(ours, 'utf8')).toBe('dear to us');
    expect(lstatSync(file).isFile()).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['file', 'file.lck', 'file.tmp', 'ours']);
  });

  test('waits for no pipe', async () => {
    const file = join(folder, 'pipe');
    execFileSync('mkfifo', [file]);
    const child = hotspareThatMayEnd(start(file));
    await child;
    expect(lstatSync(file).isFIFO()).toBe(true);
  });
});

test('-P /dev/null stays what it is', async () => {
  const node = await started(['-P', '/dev/null']);
  await node.end();
  expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
});

describe('-e', () => {
  test('a memory file that every user may write to is refused, and served after the remedy', async () => {
    const file = join(folder, 'memory');
    const first = await started(['-e', file]);
    await first.end();
    chmodSync(file, 0o666);
    const refusal = /every user may write to .* \(chmod 600 (\S+), or name another file\)/;
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, refusal);
    execFileSync('chmod', ['600', file]);
    await started(['-e', file]);
  });

  asRoot('one of another user is refused, and served after the remedy', async () => {
    const file = join(folder, 'memory');
    const first = await started(['-e', file]);
    await first.end();
    chownSync(file, nobody, nobody);
    const refusal = /belongs to another user, .* \(give it to the user of this process with chown/;
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, refusal);
    // It may be that of the user whom -u names.
    const second = await started(['-e', file, '-u', 'nobody']);
    await second.end();
    execFileSync('chown', ['root', file]);
    await started(['-e', file]);
  });
});

describe('-e through a symlink', () => {
  asRoot.each([
    ['to an empty file', true, []],
    ['to no file', false, []],
    ['of the user whom -u names', false, ['-u', 'nobody']],
  ])('of another user, %s: refused, and nothing is made', async (_, stands, flags) => {
    const [ours, file] = [join(folder, 'ours'), join(folder, 'file')];
    if (stands) writeFileSync(ours, '');
    symlinkSync(ours, file);
    lchownSync(file, nobody, nobody);
    const refusal = /is a symlink of another user \(name the file that it leads to\)/;
    await expectRefusal([...alone, '-e', file, ...flags], exitStatus.REGION, refusal);
    expect(readdirSync(folder).sort()).toEqual(stands ? ['file', 'ours'] : ['file']);
    if (stands) expect(readFileSync(ours, 'utf8')).toBe('');
  });

  test('of our own: it is followed', async () => {
    const [ours, file] = [join(folder, 'ours'), join(folder, 'file')];
    symlinkSync(ours, file);
    await started(['-e', file]);
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(lstatSync(ours).size).toBeGreaterThan(0);
  });
});

describe('--latencies', () => {
  asRoot('is not written through a symlink of another user', async () => {
    const [ours, file] = [join(folder, 'ours'), join(folder, 'file')];
    writeFileSync(ours, 'dear to us');
    symlinkSync(ours, file);
    lchownSync(file, nobody, nobody);
    const bench = ['bench', 'gets-only', '--server', '127.0.0.1:9', '--latencies', file];
    await expectRefusal(bench, exitStatus.USAGE, /it is a symlink of another user/);
    expect(readFileSync(ours, 'utf8')).toBe('dear to us');
  });
});

/** A node that refuses to start is as good here as one that serves; one that hangs is not. */
async function hotspareThatMayEnd(start: Promise<Child>): Promise<void> {
  await start.catch((error: Error) => expect(error.message).toMatch(/ended/));
}
