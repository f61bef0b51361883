/**
 * The frames of the node-to-node connection. Pure: bytes in, fields out, no socket.
 *
 *      0        4     6        8        12       16               24       28       32
 *      +--------+-----+--------+--------+--------+----------------+--------+--------+---------+
 *      | magic  | ver | type   | epoch  | count  | sequence       | length | crc32c | payload |
 *      | u32    | u16 | u16    | u32    | u32    | u64            | u32    | u32    |         |
 *      +--------+-----+--------+--------+--------+----------------+--------+--------+---------+
 *
 * All little endian. The checksum covers the header (its own field as zero) and the payload. The header is as long as
 * the journal's headroom: a batch is sealed in the staging buffer it was built in.
 *
 * In a session with a cipher the frames behind the proof have no checksum (its field is zero). Their payload is
 * encrypted, a tag of 16 bytes behind it authenticates payload and header, and the length counts the tag.
 */
import { assert } from '../../src/base/errors.js';
import { batchBytesMax, controlBytesMax } from '../../src/base/limits.js';
import { journalHeadroom, recordHeaderBytes } from '../../src/store/journal.js';

/** Version of the frames and of the handshake; both ends must have the same. */
export const protocolVersion = 5;
export const frameHeaderBytes = 32;
/** The tag behind an encrypted payload. */
export const tagBytes = 16;
/** 'HSNN' */
const magic = 0x4e4e5348;
/** Longest payload of any frame. */
export const payloadBytesMax = batchBytesMax;

export const FrameType = {
  /** Standby to primary: versions and a nonce. Control messages are JSON. */
  HELLO: 1,
  /** Primary to standby: a nonce, and the proof that the primary knows the secret. */
  CHALLENGE: 2,
  /** Standby to primary: its proof, its name, and what it asks of the link. */
  PROOF: 3,
  /** Primary to standby: the geometry, the epoch, the times that were agreed on. */
  WELCOME: 4,
  /** Either way: a reason and a remedy; the connection is closed after it. */
  REFUSED: 5,
  /** Primary to standby: the ranges of one tick (records of the journal). */
  BATCH: 6,
  /** Primary to standby: a piece of the region, as one record. */
  BLOCK: 7,
  /** Primary to standby: the copy is whole as of `sequence`. */
  SYNCED: 8,
  /** Standby to primary: all batches up to `sequence` and `count` blocks are in its region. */
  ACK: 9,
  /**
   * Both ways. `sequence` counts the sender's heartbeats, `count` echoes the low bits of the newest one received.
   * Before the WELCOME a heartbeat tells the standby to wait.
   */
  HEARTBEAT: 10,
  /** Both ways, the last word: `epoch` reigns now. JSON names the node of that reign and where it listens. */
  DEPOSED: 11,
  /**
   * Primary to standby, the last word: the primary goes on without this standby, whose copy is out of date from now on.
   */
  DROPPED: 12,
  /** Standby to primary: where its region is registered for RDMA writes, or why it is not. JSON. */
  MEMORY: 13,
  /** Standby to primary, the last word: this standby ends in order, and will not take over. */
  LEAVING: 14,
  /**
   * Primary to standby: the link is open, and its first batch follows `sequence`. Other standbys may have been sent
   * batches since the WELCOME.
   */
  BEGIN: 15,
} as const;

/** The fields of a header. Each connection reuses one instance. */
export class FrameHeader {
  type = 0;
  epoch = 0;
  count = 0;
  sequence = 0;
  length = 0;
  checksum = 0;
}

/** The field that shows that bytes are no frame of ours. */
export type FrameFault = 'magic' | 'version' | 'type' | 'length';

type Checksum = (bytes: Uint8Array, offset: number, length: number, seed: number) => number;

assert(frameHeaderBytes === journalHeadroom, 'a batch is sealed in place');
assert(controlBytesMax <= payloadBytesMax, 'control messages are frames');

/** Writes a header at `at`, before a payload of `header.length` bytes that is already in place. */
export function sealFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  header: Readonly<Omit<FrameHeader, 'checksum'>>,
  checksum: Checksum,
): void {
  writeHeader(view, at, header);
  view.setUint32(at + 28, checksum(bytes, at, frameHeaderBytes + header.length, 0) >>> 0, true);
}

/** Writes a header without a checksum. */
export function writeHeader(
  view: DataView,
  at: number,
  header: Readonly<Omit<FrameHeader, 'checksum'>>,
): void {
  view.setUint32(at, magic, true);
  view.setUint16(at + 4, protocolVersion, true);
  view.setUint16(at + 6, header.type, true);
  view.setUint32(at + 8, header.epoch, true);
  view.setUint32(at + 12, header.count, true);
  view.setUint32(at + 16, header.sequence >>> 0, true);
  view.setUint32(at + 20, Math.floor(header.sequence / 4294967296), true);
  view.setUint32(at + 24, header.length, true);
  view.setUint32(at + 28, 0, true);
}

/**
 * Reads the header at `at`, all of whose 32 bytes have arrived; returns the wrong field, or null. `tail`: bytes of a
 * tag behind the payload.
 */
export function readHeader(
  view: DataView,
  at: number,
  header: FrameHeader,
  tail = 0,
): FrameFault | null {
  if (view.getUint32(at, true) !== magic) return 'magic';
  if (versionAt(view, at) !== protocolVersion) return 'version';
  header.type = view.getUint16(at + 6, true);
  header.epoch = view.getUint32(at + 8, true);
  header.count = view.getUint32(at + 12, true);
  header.sequence = view.getUint32(at + 16, true) + view.getUint32(at + 20, true) * 4294967296;
  header.length = view.getUint32(at + 24, true);
  header.checksum = view.getUint32(at + 28, true);
  if (header.type < FrameType.HELLO || header.type > FrameType.BEGIN) return 'type';
  if (header.length > payloadLimit(header.type) + tail) return 'length';
  return null;
}

/** The version of the header at `at`, which may be that of another release. */
export function versionAt(view: DataView, at: number): number {
  return view.getUint16(at + 4, true);
}

/** True when the checksum of the whole frame at `at` is right. Clears the header's checksum field. */
export function isIntact(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  header: FrameHeader,
  checksum: Checksum,
): boolean {
  view.setUint32(at + 28, 0, true);
  return checksum(bytes, at, frameHeaderBytes + header.length, 0) >>> 0 === header.checksum;
}

function payloadLimit(type: number): number {
  if (type === FrameType.BATCH || type === FrameType.BLOCK)
    return payloadBytesMax + recordHeaderBytes;
  const { REFUSED, DEPOSED, MEMORY } = FrameType;
  if (type <= REFUSED || type === DEPOSED || type === MEMORY) return controlBytesMax;
  return 0;
}
