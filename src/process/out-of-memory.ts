/**
 * Preparations for a shortage of memory. A pair says at its start how much both nodes need together, and warns where
 * there is less. When the kernel must end one of them, it shall be the node whose copy is not whole, as the other holds
 * the only copy.
 */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { bytesBesideRegion, bytesPerRegionByte } from '../base/limits.js';
import { readOrEmpty } from './system-limits.js';

const scoreFile = '/proc/self/oom_score_adj';
/** Half of the machine's memory, in the kernel's unit (thousandths). */
const scoreOfHalfCopy = 500;
const scoreMost = 1000;

let descriptor = -1;
let inherited = 0;
let current = 0;

/** Opens the file, before root is given up, as afterwards only root may. Without the file nothing is ever changed. */
export function openOomScore(): void {
  try {
    inherited = Number.parseInt(readFileSync(scoreFile, 'latin1'), 10);
    current = inherited;
    descriptor = openSync(scoreFile, 'r+');
  } catch {
    descriptor = -1;
  }
}

/** Makes this process the first to be ended when memory runs short, or again as likely as any other. */
export function diesFirstOutOfMemory(first: boolean): void {
  const score = first ? Math.min(inherited + scoreOfHalfCopy, scoreMost) : inherited;
  if (descriptor < 0 || score === current) return;
  try {
    writeSync(descriptor, String(score), 0);
    current = score;
  } catch {
    // The score cannot be written, so the kernel decides by size alone, as before.
  }
}

/** Memory that a process may have, and the name of the limit. */
export interface MemoryLimit {
  readonly bytes: number;
  readonly name: string;
}

/** The least of the machine's memory and of the limits of this process' control groups (both versions). */
export function memoryLimit(
  memberships: string = readOrEmpty('/proc/self/cgroup'),
  root = '/sys/fs/cgroup',
): MemoryLimit {
  const limits: MemoryLimit[] = [{ bytes: totalmem(), name: "the machine's memory" }];
  for (const line of memberships.split('\n')) {
    const [hierarchy, controllers = '', path = ''] = line.split(/:(.*?):(.*)/s);
    const isFirst = controllers.split(',').includes('memory');
    if (!isFirst && !(hierarchy === '0' && controllers === '')) continue;
    const base = isFirst ? join(root, 'memory') : root;
    const file = isFirst ? 'memory.limit_in_bytes' : 'memory.max';
    // A limit of any group above counts, too. In a container the path may be the host's.
    for (let group = join('/', path); ; group = dirname(group)) {
      const bytes = Number.parseInt(readOrEmpty(join(base, group, file)), 10);
      if (bytes >= 0) limits.push({ bytes, name: `the limit of the control group ${group}` });
      if (group === '/') break;
    }
  }
  return limits.reduce((least, limit) => (limit.bytes < least.bytes ? limit : least));
}

/** The line that a pair logs at its start; a warning where there is not enough memory. */
export function pairMemoryNeeds(
  regionBytes: number,
  nodes: number,
  limit: MemoryLimit = memoryLimit(),
): string {
  const needed = nodes * (regionBytes * bytesPerRegionByte + bytesBesideRegion);
  const all = nodes === 2 ? 'both nodes' : `all ${nodes} nodes`;
  const text = `${all} together need up to ${mebibytes(needed)} MiB when the cache is full`;
  if (needed <= limit.bytes) return text;
  const lack = `${limit.name} is ${mebibytes(limit.bytes)} MiB: choose a smaller -m, or allow more`;
  return `WARNING: ${text}, and ${lack}`;
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
