/**
 * The canonical workloads, as data. A workload says what clients do, what hotspare is compared with, and the ratio of
 * throughputs that is the target.
 */

export interface Workload {
  readonly name: string;
  readonly connections: number;
  /** Requests a connection sends at once; it waits for all of their replies before it sends the next. */
  readonly depth: number;
  /** Sets among a hundred requests; the rest are gets that hit. */
  readonly setPercent: number;
  readonly valueBytes: number;
  /** Keys that are loaded before, and then drawn at random. */
  readonly keys: number;
  /** With meta, gets are `mg KEY v` and sets `ms KEY LENGTH`. */
  readonly protocol: 'classic' | 'meta';
  /** Keys named by one get; one with meta. */
  readonly keysPerGet: number;
  /** Standby of hotspare; memcached never has one. */
  readonly standby: 'none' | 'sync' | 'async';
  /** True when the link is sealed (--link-cipher aes-gcm), as between machines. */
  readonly sealed: boolean;
  readonly peer: 'memcached' | 'echo';
  /** Flags of both servers besides the memory limit. */
  readonly flags: readonly string[];
  /** The target for hotspare's throughput over the peer's; null: none. */
  readonly target: number | null;
}

const plain: Workload = {
  name: '',
  connections: 50,
  depth: 1,
  setPercent: 10,
  valueBytes: 32,
  keys: 100_000,
  protocol: 'classic',
  keysPerGet: 1,
  standby: 'none',
  sealed: false,
  peer: 'memcached',
  flags: [],
  target: null,
};
const large = { connections: 8, valueBytes: 2 ** 20, keys: 64, flags: ['-I', '2m'] } as const;
const kibibyte = { valueBytes: 1024, keys: 50_000 } as const;

export const workloads: readonly Workload[] = [
  { ...plain, name: 'mixed', target: 1.1 },
  { ...plain, name: 'set', setPercent: 100, target: 1.1 },
  { ...plain, name: 'pipelined-get', depth: 32, setPercent: 0, target: 10 },
  { ...plain, name: 'pipelined-set', depth: 32, setPercent: 100, target: 2 },
  { ...plain, name: 'pipelined-get-4', connections: 4, depth: 32, setPercent: 0 },
  { ...plain, name: 'pipelined-set-4', connections: 4, depth: 32, setPercent: 100 },
  { ...plain, name: 'multiget', keysPerGet: 100, setPercent: 0 },
  { ...plain, name: 'meta-mixed', protocol: 'meta' },
  { ...plain, name: 'meta-get', protocol: 'meta', setPercent: 0 },
  { ...plain, name: 'meta-set', protocol: 'meta', setPercent: 100 },
  { ...plain, name: 'pipelined-meta-get', protocol: 'meta', depth: 32, setPercent: 0 },
  { ...plain, name: 'pipelined-meta-set', protocol: 'meta', depth: 32, setPercent: 100 },
  { ...plain, ...kibibyte, name: 'get-1k', setPercent: 0 },
  { ...plain, ...kibibyte, name: 'set-1k', setPercent: 100 },
  { ...plain, ...large, name: 'get-1m', setPercent: 0 },
  { ...plain, ...large, name: 'set-1m', setPercent: 100 },
  { ...plain, name: 'mixed-sync', standby: 'sync', target: 0.9 },
  { ...plain, name: 'mixed-sync-sealed', standby: 'sync', sealed: true },
  {
    ...plain,
    name: 'pipelined-set-sync',
    depth: 32,
    setPercent: 100,
    standby: 'sync',
    target: 1.5,
  },
  { ...plain, name: 'mixed-async', standby: 'async' },
  { ...plain, name: 'pipelined-set-async', depth: 32, setPercent: 100, standby: 'async' },
  { ...plain, name: 'echo', peer: 'echo' },
];
