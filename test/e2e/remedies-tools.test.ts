/** What is said of memory files and by the tools is done here, and helps. */
import {
  copyFileSync,
  lchownSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { until } from '../../failover/drill/until.js';
import { exitStatus } from '../../src/base/errors.js';
import { layoutVersion, SuperWord } from '../../src/store/layout.js';
import { expectRefusal, hotspare, main, patienceMs, said, serves } from '../support/nodes.js';
import { type Finished, run } from '../support/process.js';

const alone = ['-p', '-1', '-l', '127.0.0.1', '-m', '8'];
const asRoot = process.getuid?.() === 0 ? test : test.skip;
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-tools-'));
  await serves([...alone, '-e', join(folder, 'cache')]);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A memory file with a cache. */
function cacheFile(name: string): string {
  const file = join(folder, name);
  copyFileSync(join(folder, 'cache'), file);
  return file;
}

function setWord(file: string, at: number, value: number): void {
  const bytes = readFileSync(file);
  bytes.writeInt32LE(value, at * 4);
  writeFileSync(file, bytes);
}

/** It serves the cache of the file, or an empty one. */
async function servesOf(file: string, what: 'its cache' | 'empty', ...flags: string[]) {
  const said = await serves([...alone, ...flags, '-e', file]);
  expect(/holds a cache/.test(said)).toBe(what === 'its cache');
}

describe('a memory file', () => {
  const another = /or name another file\)$/;

  test('of other flags: use them, or start empty in one of two ways', async () => {
    const file = cacheFile('flags');
    const remedy =
      /other -m, -I, -f or -n \(use its flags, or start empty with --discard-memory-file, or delete \S+\)$/;
    const other = ['-f', '1.5'];
    await expectRefusal([...alone, ...other, '-e', file], exitStatus.REGION, remedy);
    await servesOf(file, 'its cache');
    await servesOf(file, 'empty', ...other, '--discard-memory-file');
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, remedy);
    rmSync(file);
    await servesOf(file, 'empty');
  });

  test('of another version: open it with the hotspare that wrote it', async () => {
    const file = cacheFile('version');
    setWord(file, SuperWord.LAYOUT, layoutVersion + 1);
    const remedy = /\(open it with the hotspare that wrote it, or start empty with /;
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, remedy);
    // The one that reads this version is this one.
    setWord(file, SuperWord.LAYOUT, layoutVersion);
    await servesOf(file, 'its cache');
  });

  test('that is none: delete it to start empty', async () => {
    const file = cacheFile('none');
    setWord(file, SuperWord.MAGIC, 1);
    const remedy = /\(delete \S+none to start empty\)$/;
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, remedy);
    rmSync(file);
    await servesOf(file, 'empty');
  });

  test('in use: stop that process, or name another file', async () => {
    const file = cacheFile('used');
    const user = await hotspare(...alone, '-e', file);
    try {
      await said(user, /serving on/);
      const remedy = /in use by another process \(stop that process, or name another file\)$/;
      await expectRefusal([...alone, '-e', file], exitStatus.REGION, remedy);
      await servesOf(join(folder, 'another'), 'empty');
    } finally {
      await user.end();
    }
    await servesOf(file, 'its cache');
  });

  asRoot("of another user, or through another user's symlink: another name", async () => {
    const [file, ours] = [cacheFile('theirs'), cacheFile('ours')];
    lchownSync(file, 65_534, 65_534);
    await expectRefusal([...alone, '-e', file], exitStatus.REGION, another);
    const link = join(folder, 'link');
    symlinkSync(ours, link);
    lchownSync(link, 65_534, 65_534);
    const leads = /\(name the file that it leads to\)$/;
    await expectRefusal([...alone, '-e', link], exitStatus.REGION, leads);
    await servesOf(ours, 'its cache');
  });
});

describe('bench', () => {
  const bench = (...args: string[]): Promise<Finished> =>
    run(process.execPath, [main, 'bench', ...args, '--count', '10'], patienceMs);

  test('a server that is not there, and a file that may not be written: others', async () => {
    const port = String(await freePort());
    const clients = ['gets-only', '--server', `127.0.0.1:${port}`, '--latencies'];
    const here = [...clients, join(folder, 'latencies')];
    expect((await bench(...here)).output).toMatch(/ECONNREFUSED.* \(start a server there\)$/m);
    const node = await hotspare('-p', port, '-l', '127.0.0.1', '-m', '8');
    try {
      await said(node, /serving on/);
      const remedy = /\(name a file that may be written with --latencies\)$/m;
      expect((await bench(...clients, '/nowhere/l')).output).toMatch(remedy);
      if (process.getuid?.() === 0) {
        const link = join(folder, 'trap');
        symlinkSync(join(folder, 'latencies'), link);
        lchownSync(link, 65_534, 65_534);
        expect((await bench(...clients, link)).output).toMatch(/\(name another file\)$/m);
      }
      expect((await bench(...here)).code).toBe(0);
    } finally {
      await node.end();
    }
  });

  test('a standby that ends: see what the standby said', async () => {
    const replicate = ['bench', 'replicate', '--transport', 'tcp', '--latencies', '/dev/null'];
    const limited = ['--nofile=40:40', process.execPath, main, ...replicate];
    const { output } = await run('prlimit', limited, patienceMs);
    expect(output).toMatch(/the standby has ended \(see what the standby said\)$/m);
    // The standby's own line has a remedy, which is tried for a node.
    expect(output).toMatch(/^hotspare: .* \(.*raise ulimit -Hn.*\)$/m);
  });
});

describe('drill', () => {
  const drill = (...args: string[]): Promise<Finished> =>
    run(process.execPath, [main, 'drill', '--rounds', '1', ...args], patienceMs);

  test('nodes that end: see what the nodes said', async () => {
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'the secret of both nodes', { mode: 0o600 });
    const there = ['--transport', 'tcp', '--link-host', '198.51.100.1', '--secret-file', secret];
    const { output, code } = await drill(...there);
    expect(output).toMatch(/\(see what the nodes said\)$/m);
    expect(output).toMatch(/^hotspare: cannot listen for standbys on 198\.51\.100\.1:0: EADDRN/m);
    expect(code).toBe(exitStatus.DRILL);
  });

  test('a cache that is too small: give it more --memory, with -v and the same --seed', async () => {
    const load = ['--seed', '9', '--value-bytes', '50000', '--keys', '50', '--connections', '2'];
    const common = [...load, '--rate', '0', '--transport', 'tcp'];
    const small = await drill(...common, '--memory', '4');
    const [, evicted] = /items were evicted; give it more --memory \(/.exec(small.output) ?? [
      '',
      '',
    ];
    expect({ evicted, output: small.output }).toEqual({ evicted, output: small.output });
    const large = await drill(...common, '--memory', '64', '-v');
    expect(large.output).toMatch(/passed: .*; none lost, none wrong/);
    // That is what a drill that waits in vain says to do: the nodes are heard, and the choices are the same.
    const remedy = 'repeat it with -v and the same --seed to see what the nodes say';
    await expect(until('a wonder', () => false, 0)).rejects.toMatchObject({ remedy });
    expect(large.output).toMatch(/ node a: serving on port/);
    expect(large.output).toMatch(/--seed 9$/m);
  });
});
