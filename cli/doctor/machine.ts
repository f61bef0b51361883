/** Checks of this process's rights on this machine: to lock memory, use huge pages, own an address. */
import { readFileSync } from 'node:fs';
import { limitsOf, readOrEmpty } from '../../src/process/system-limits.js';
import type { Finding } from './finding.js';

/** Bits of the effective capabilities (linux/capability.h). */
const capability = { netAdmin: 12n, netRaw: 13n, lockMemory: 14n } as const;

export function machine(bytes: number): Finding[] {
  const rights = /^CapEff:\s+([0-9a-f]+)/m.exec(readOrEmpty('/proc/self/status'))?.[1];
  if (rights === undefined) {
    const found = 'unknown: /proc cannot be read';
    return [{ what: 'rights', state: 'note', found, remedy: 'mount /proc here' }, hugePages()];
  }
  const may = (bit: bigint): boolean => ((BigInt(`0x${rights}`) >> bit) & 1n) === 1n;
  return [lockedMemory(bytes, may(capability.lockMemory)), hugePages(), ...addresses(may)];
}

/** RDMA registers memory, which locks it: all of `-m`, and the buckets beside it. */
function lockedMemory(bytes: number, unlimited: boolean): Finding {
  const what = 'locked memory';
  const [limit] = limitsOf('Max locked memory') ?? [Number.POSITIVE_INFINITY];
  const wanted = Math.ceil((bytes * 1.05) / 2 ** 20);
  if (unlimited || limit === Number.POSITIVE_INFINITY) {
    return { what, state: 'good', found: `no limit (${wanted} MiB are wanted)`, remedy: '' };
  }
  const mebibytes = Math.floor(limit / 2 ** 20);
  const enough = mebibytes >= wanted;
  return {
    what,
    state: enough ? 'good' : 'fail',
    found: `${mebibytes} MiB, ${wanted} MiB are wanted`,
    remedy: enough ? '' : 'ulimit -l unlimited, or LimitMEMLOCK=infinity in the service',
  };
}

function hugePages(): Finding {
  const what = 'huge pages';
  let text: string;
  try {
    text = readFileSync('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'utf8');
  } catch {
    return { what, state: 'note', found: 'this kernel has none for shared memory', remedy: '' };
  }
  const mode = /\[(\w+)\]/.exec(text)?.[1] ?? 'never';
  const used = mode !== 'never' && mode !== 'deny';
  const remedy = 'echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled';
  return { what, state: used ? 'good' : 'note', found: mode, remedy: used ? '' : remedy };
}

/** Rights that only an address that moves between machines needs. */
function addresses(may: (bit: bigint) => boolean): Finding[] {
  const rights = [
    { what: 'address rights', bit: capability.netAdmin, name: 'CAP_NET_ADMIN' },
    { what: 'raw sockets', bit: capability.netRaw, name: 'CAP_NET_RAW' },
  ];
  return rights.map(({ what, bit, name }) => ({
    what,
    state: may(bit) ? 'good' : 'note',
    found: may(bit) ? name : `no ${name}: an address cannot be moved by this process`,
    remedy: may(bit) ? '' : `run as root, or AmbientCapabilities=${name} in the service`,
  }));
}
