/** The rows of the mirror in `stats`. docs/MIRROR.md explains the names. */
import type { Journal } from '../../src/store/journal.js';
import type { Replica } from './replica.js';
import type { UnackedBatches } from './unacked-batches.js';
import type { WriteGate } from './write-gate.js';

/** Counts since the reign began. */
export class MirrorCounts {
  batches = 0;
  ranges = 0;
  bytes = 0;
  resyncs = 0;
  drops = 0;
  losses = 0;

  /** A batch is sent. */
  add(journal: Journal): void {
    this.batches++;
    this.ranges += journal.count;
    this.bytes += journal.at;
  }
}

export interface MirrorState {
  /** The standbys that are attached. */
  readonly replicas: readonly Replica[];
  readonly unacked: UnackedBatches;
  readonly counts: MirrorCounts;
  readonly ack: string;
  readonly epoch: number;
  /** How many times clients were stopped until acks came in. */
  readonly stalls: number;
  readonly writeGate: WriteGate;
  readonly nowMs: number;
}

export function mirrorStats(mirror: MirrorState): [string, string | number][] {
  const { replicas, unacked, counts } = mirror;
  const inSync = replicas.filter(({ state }) => state === 'in_sync').length;
  const state = inSync > 0 ? 'in_sync' : replicas.length > 0 ? 'resync' : 'none';
  return [
    ['mirror_state', state],
    ['mirror_standbys', replicas.length],
    ['mirror_standbys_in_sync', inSync],
    ...mirror.writeGate.rows(mirror.nowMs),
    ['mirror_link', best(replicas)?.link?.name ?? 'none'],
    ['mirror_ack', mirror.ack],
    ['mirror_epoch', mirror.epoch],
    ['mirror_sequence', unacked.sequence],
    ['mirror_acked', unacked.acked],
    ['mirror_batches', counts.batches],
    ['mirror_ranges', counts.ranges],
    ['mirror_bytes', counts.bytes],
    ['mirror_pending_bytes', sum(replicas, ({ link }) => link?.pendingBytes ?? 0)],
    ['mirror_ack_ms_max', unacked.longestMs.toFixed(3)],
    ['mirror_resyncs', counts.resyncs],
    ['mirror_resync_bytes_done', sum(replicas, ({ copy }) => copy?.doneBytes ?? 0)],
    ['mirror_resync_bytes_total', sum(replicas, ({ copy }) => copy?.totalBytes ?? 0)],
    ['mirror_drops', counts.drops],
    ['mirror_losses', counts.losses],
  ];
}

/** `stats mirror`. */
export function mirrorStatsDetailed(mirror: MirrorState): (readonly [string, string | number])[] {
  const { replicas, unacked, counts, nowMs } = mirror;
  const replica = best(replicas);
  const perBatch = counts.batches === 0 ? 0 : counts.ranges / counts.batches;
  return [
    ...mirrorStats(mirror),
    ['mirror_provider', replica?.link?.provider ?? 'none'],
    ['mirror_device', replica?.link?.device || 'none'],
    ['mirror_why', replica?.why ?? ''],
    ['mirror_cipher', replica?.channel.cipher ?? 'none'],
    ['ranges_per_batch', perBatch.toFixed(2)],
    ...unacked.latencies.rows(),
    ['stalls_ack', mirror.stalls],
    ...(replica?.link?.stats() ?? []),
    ...replicas.flatMap((one, i) => standbyStats(one, `standby:${i}:`, unacked, nowMs)),
  ];
}

/** The rows of one standby, as it stands among the others. */
function standbyStats(
  replica: Replica,
  prefix: string,
  { sequence }: UnackedBatches,
  nowMs: number,
): [string, string | number][] {
  const { node, address, link, state, acked, copy, latencies } = replica;
  const left = copy === null ? 0 : copy.totalBytes - copy.doneBytes;
  return [
    [`${prefix}name`, node],
    [`${prefix}address`, replica.channel.peerHost],
    [`${prefix}link_listen`, address ?? 'none'],
    [`${prefix}link`, link?.name ?? 'none'],
    [`${prefix}state`, state],
    [`${prefix}acked`, acked],
    [`${prefix}lag_batches`, sequence - acked],
    [`${prefix}lag_ms`, replica.waitedMs(nowMs).toFixed(3)],
    [`${prefix}resync_bytes_left`, left],
    ...latencies.rows(prefix),
  ];
}

/** The standby by which the mirror as a whole is described: one in sync, where there is one. */
function best(replicas: readonly Replica[]): Replica | null {
  return replicas.find(({ state }) => state === 'in_sync') ?? replicas[0] ?? null;
}

function sum(replicas: readonly Replica[], bytes: (replica: Replica) => number): number {
  return replicas.reduce((total, one) => total + bytes(one), 0);
}
