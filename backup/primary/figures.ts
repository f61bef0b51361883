/** What `stats` says of the mirror. docs/MIRROR.md explains the names. */
import type { Journal } from '../../src/store/journal.js';
import type { Attached } from './attached.js';
import type { Unacked } from './unacked.js';

/** What was counted since the reign began. */
export class Counts {
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
  readonly standby: Attached | null;
  readonly unacked: Unacked;
  readonly counts: Counts;
  readonly ack: string;
  readonly epoch: number;
  /** Times clients were stopped until acks came in. */
  readonly stalls: number;
}

export function figures(mirror: MirrorState): [string, string | number][] {
  const { standby, unacked, counts } = mirror;
  const state = standby === null ? 'none' : standby.confirmed ? 'in_sync' : 'resync';
  return [
    ['mirror_state', state],
    ['mirror_link', standby?.link?.name ?? 'none'],
    ['mirror_ack', mirror.ack],
    ['mirror_epoch', mirror.epoch],
    ['mirror_sequence', unacked.sequence],
    ['mirror_acked', unacked.acked],
    ['mirror_batches', counts.batches],
    ['mirror_ranges', counts.ranges],
    ['mirror_bytes', counts.bytes],
    ['mirror_pending_bytes', standby?.link?.pendingBytes ?? 0],
    ['mirror_ack_ms_max', unacked.longestMs.toFixed(3)],
    ['mirror_resyncs', counts.resyncs],
    ['mirror_resync_bytes_done', standby?.resync?.doneBytes ?? 0],
    ['mirror_resync_bytes_total', standby?.resync?.totalBytes ?? 0],
    ['mirror_drops', counts.drops],
    ['mirror_losses', counts.losses],
  ];
}

/** `stats mirror`. */
export function details(mirror: MirrorState): (readonly [string, string | number])[] {
  const { standby, unacked, counts } = mirror;
  const perBatch = counts.batches === 0 ? 0 : counts.ranges / counts.batches;
  return [
    ...figures(mirror),
    ['mirror_provider', standby?.link?.provider ?? 'none'],
    ['mirror_device', standby?.link?.device || 'none'],
    ['mirror_why', standby?.opening?.why ?? ''],
    ['mirror_cipher', standby === null ? 'none' : standby.channel.cipher],
    ['ranges_per_batch', perBatch.toFixed(2)],
    ...unacked.latencies.rows(),
    ['stalls_ack', mirror.stalls],
    ...(standby?.link?.stats() ?? []),
  ];
}

/** What tells one link from another. */
type Named = Readonly<Record<'name' | 'provider' | 'device', string>>;

/** A link, for people. */
export function nameOf({ name, provider, device }: Named): string {
  return device === '' ? name : `${name} (${provider}, ${device})`;
}

export function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
