/** The part of the npm package memcached, which brings no types, that the workout uses. */
declare module 'memcached' {
  type Done<T> = (error: unknown, result: T) => void;

  class Memcached {
    constructor(server: string, options?: Record<string, unknown>);
    get(key: string, done: Done<unknown>): void;
    gets(key: string, done: Done<Record<string, unknown> & { cas: string }>): void;
    getMulti(keys: string[], done: Done<Record<string, unknown>>): void;
    set(key: string, value: unknown, lifetime: number, done: Done<boolean>): void;
    add(key: string, value: unknown, lifetime: number, done: Done<boolean>): void;
    replace(key: string, value: unknown, lifetime: number, done: Done<boolean>): void;
    cas(key: string, value: unknown, cas: string, lifetime: number, done: Done<boolean>): void;
    append(key: string, value: unknown, done: Done<boolean>): void;
    prepend(key: string, value: unknown, done: Done<boolean>): void;
    incr(key: string, by: number, done: Done<number | boolean>): void;
    decr(key: string, by: number, done: Done<number | boolean>): void;
    del(key: string, done: Done<boolean>): void;
    touch(key: string, lifetime: number, done: Done<boolean>): void;
    version(done: Done<Record<string, unknown>[]>): void;
    stats(done: Done<Record<string, unknown>[]>): void;
    settings(done: Done<Record<string, unknown>[]>): void;
    slabs(done: Done<Record<string, unknown>[]>): void;
    items(done: Done<Record<string, unknown>[]>): void;
    flush(done: Done<unknown>): void;
    end(): void;
  }

  export = Memcached;
}
