/**
 * What an application does with the two clients of npm: memcache-client and memcached. They are loaded when
 * they are used, so that one that is not installed is no error here.
 */
import { expect } from '@jest/globals';

export interface Address {
  readonly host: string;
  readonly port: number;
}

type Shown = Record<string, unknown> & { cas: string };
type Fields = Record<string, unknown>[];

const large = Buffer.alloc(1_000_000, '0123456789abcdef');

export async function memcacheClient({ host, port }: Address): Promise<void> {
  const { MemcacheClient } = require('memcache-client') as typeof import('memcache-client');
  const client = new MemcacheClient({ server: `${host}:${port}`, cmdTimeout: 10_000 });
  const stored = ['STORED'];
  expect(await client.set('mc', 'one')).toEqual(stored);
  expect((await client.get<string>('mc')).value).toBe('one');
  await expect(client.add('mc', 'two')).rejects.toThrow('NOT_STORED');
  expect(await client.replace('mc', 'two')).toEqual(stored);
  expect(await client.append('mc', '!')).toEqual(stored);
  expect(await client.prepend('mc', '?')).toEqual(stored);
  expect((await client.get<string>('mc')).value).toBe('?two!');
  const shown = await client.gets<string>('mc');
  const casUniq = shown.casUniq as string;
  expect(await client.cas('mc', 'three', { casUniq })).toEqual(stored);
  await expect(client.cas('mc', 'four', { casUniq })).rejects.toThrow('EXISTS');
  expect(await client.touch('mc', 100)).toEqual(['TOUCHED']);
  expect(await client.delete('mc')).toEqual(['DELETED']);
  await expect(client.delete('mc')).rejects.toThrow('NOT_FOUND');
  expect(await client.get('mc')).toBeUndefined();

  await client.set('mcn', '10');
  expect(await client.incr('mcn', 5)).toBe('15');
  expect(await client.decr('mcn', 6)).toBe('9');

  const object = { text: 'grün', list: [1, 2.5, null] };
  await client.set('mco', object);
  expect((await client.get('mco')).value).toEqual(object);
  await client.set('mcb', large);
  expect(large.equals((await client.get<Buffer>('mcb')).value)).toBe(true);
  await expect(client.set('mcb', 'x'.repeat(1_200_000))).rejects.toThrow('too large');

  const keys = Array.from({ length: 100 }, (_, n) => `mc${n}`);
  await Promise.all(keys.map((key) => client.set(key, `value of ${key}`)));
  const all = (await client.get<string>([...keys, 'none'])) as unknown as Record<
    string,
    { value: string }
  >;
  expect(Object.keys(all).sort()).toEqual([...keys].sort());
  expect(all['mc42']?.value).toBe('value of mc42');

  await client.set('mcq', 'quiet', { noreply: true });
  expect((await client.get<string>('mcq')).value).toBe('quiet');
  expect((await client.version())[0]).toBe('VERSION');
  const { STAT } = await client.cmd<{ STAT: string[][] }>('stats');
  expect(STAT.map(([key]) => key)).toContain('curr_items');
  client.shutdown();
}

export async function memcached({ host, port }: Address): Promise<void> {
  const Memcached = require('memcached') as typeof import('memcached');
  const client = new Memcached(`${host}:${port}`, { timeout: 10_000, retries: 0, poolSize: 4 });
  const call = <T>(what: (done: (error: unknown, result: T) => void) => void) =>
    new Promise<T>((resolve, reject) =>
      what((error, result) => (error ? reject(error) : resolve(result))),
    );
  try {
    expect(await call((done) => client.set('nm', 'one', 100, done))).toBe(true);
    expect(await call((done) => client.get('nm', done))).toBe('one');
    await expect(call((done) => client.add('nm', 'two', 0, done))).rejects.toThrow('not stored');
    expect(await call((done) => client.replace('nm', 'two', 0, done))).toBe(true);
    expect(await call((done) => client.append('nm', '!', done))).toBe(true);
    expect(await call((done) => client.prepend('nm', '?', done))).toBe(true);
    const shown = await call<Shown>((done) => client.gets('nm', done));
    expect(shown['nm']).toBe('?two!');
    expect(await call((done) => client.cas('nm', 'three', shown.cas, 0, done))).toBe(true);
    expect(await call((done) => client.cas('nm', 'four', shown.cas, 0, done))).toBe(false);
    expect(await call((done) => client.touch('nm', 100, done))).toBe(true);
    expect(await call((done) => client.del('nm', done))).toBe(true);
    expect(await call((done) => client.del('nm', done))).toBe(false);
    expect(await call((done) => client.get('nm', done))).toBeUndefined();

    await call((done) => client.set('nmn', 10, 0, done));
    expect(await call((done) => client.incr('nmn', 5, done))).toBe(15);
    expect(await call((done) => client.decr('nmn', 6, done))).toBe(9);
    expect(await call((done) => client.incr('none', 1, done))).toBe(false);

    const object = { text: 'grün', list: [1, 2.5, null] };
    await call((done) => client.set('nmo', object, 0, done));
    expect(await call((done) => client.get('nmo', done))).toEqual(object);
    await call((done) => client.set('nmb', large, 0, done));
    expect(large.equals((await call<unknown>((done) => client.get('nmb', done))) as Buffer)).toBe(
      true,
    );

    const keys = Array.from({ length: 100 }, (_, n) => `nm${n}`);
    await Promise.all(
      keys.map((key) => call((done) => client.set(key, `value of ${key}`, 0, done))),
    );
    const all = await call<Record<string, unknown>>((done) =>
      client.getMulti([...keys, 'none'], done),
    );
    expect(Object.keys(all).sort()).toEqual([...keys].sort());
    expect(all['nm42']).toBe('value of nm42');

    expect((await call<Fields>((done) => client.version(done)))[0]?.['version']).toBeDefined();
    expect((await call<Fields>((done) => client.stats(done)))[0]?.['pointer_size']).toBe(64);
    expect((await call<Fields>((done) => client.settings(done)))[0]?.['maxconns']).toBeGreaterThan(
      0,
    );
    expect((await call<Fields>((done) => client.slabs(done)))[0]).toBeDefined();
    expect((await call<Fields>((done) => client.items(done)))[0]).toBeDefined();
    await call((done) => client.flush(done));
    expect(await call((done) => client.get('nm42', done))).toBeUndefined();
  } finally {
    client.end();
  }
}
