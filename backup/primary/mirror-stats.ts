/** The rows of the mirror in `stats`. docs/MIRROR.md explains the names. */
import type { Journal } from '../../src/store/journal.js';
import type { Replica } from './replica.js';
import type { UnackedBatches } from './unacked-batches.js';

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
  /** The standby that is attached; null when there is none. */
  readonly replica: Replica | null;
  readonly unacked: UnackedBatches;
  readonly counts: MirrorCounts;
  readonly ack: string;
  readonly epoch: number;
  /** How many times clients were stopped until acks came in. */
  readonly stalls: number;
}

export function mirrorStats(mirror: MirrorState): [string, string | number][] {
  const { replica, unacked, counts } = mirror;
  const state = replica === null ? 'none' : replica.state === 'in_sync' ? 'in_sync' : 'resync';
  return [
    ['mirror_state', state],
    ['mirror_link', replica?.link?.name ?? 'none'],
    ['mirror_ack', mirror.ack],
    ['mirror_epoch', mirror.epoch],
    ['mirror_sequence', unacked.sequence],
    ['mirror_acked', unacked.acked],
    ['mirror_batches', counts.batches],
    ['mirror_ranges', counts.ranges],
    ['mirror_bytes', counts.bytes],
    ['mirror_pending_bytes', replica?.link?.pendingBytes ?? 0],
    ['mirror_ack_ms_max', unacked.longestMs.toFixed(3)],
    ['mirror_resyncs', counts.resyncs],
    ['mirror_resync_bytes_done', replica?.copy?.doneBytes ?? 0],
    ['mirror_resync_bytes_total', replica?.copy?.totalBytes ?? 0],
    ['mirror_drops', counts.drops],
    ['mirror_losses', counts.losses],
  ];
}

/** `stats mirror`. */
export function mirrorStatsDetailed(mirror: MirrorState): (readonly [string, string | number])[] {
  const { replica, unacked, counts } = mirror;
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
  ];
}
