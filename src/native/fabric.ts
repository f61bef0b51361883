/**
 * The face of the addon's fabric: one-sided writes into another process' memory over libfabric, which is loaded at run
 * time. Failures are codes, as in addon.ts; where libfabric or its headers are missing every function says so.
 *
 * An object is one end: the passive end listens, accepts one connection at a time and writes; the active end connects,
 * and opens its memory to be written. Each has an endpoint (native/fabric_endpoint.h), and beside it a primary's writer
 * (native/mirror_writer.h) and a standby's target (native/mirror_target.h).
 */
import { type NativeFailure, native } from './addon.js';

/** `verbs` needs a device; `tcp` is libfabric's own, the same code on any machine. */
export const fabricProviders = ['verbs', 'tcp'] as const;
export type FabricProvider = (typeof fabricProviders)[number];

export interface FabricQuery {
  readonly provider: FabricProvider;
  /** An address of this machine when passive, else the peer's. */
  readonly host: string;
  /** The peer's port; 0 when passive. */
  readonly port: number;
  readonly passive: boolean;
}

export interface FabricOptions extends FabricQuery {
  /** Bytes of the ring in which writes wait for their completion; 0 for an end that writes nothing. */
  readonly stagingBytes: number;
  /** A full queue or ring is waited for this long; then the connection is broken. */
  readonly patienceMs: number;
  /** Microseconds that `post` waits for the ack of its batch. */
  readonly spinUs: number;
}

/** The offer of a provider at an address. */
export interface FabricFound {
  readonly device: string;
  /** Writes up to this length are copied into the queue itself. */
  readonly inlineBytes: number;
  readonly queueLength: number;
  /** Registered memory is locked: RLIMIT_MEMLOCK counts. */
  readonly pins: boolean;
}

/** The parts of memory that a peer may write. The fields are decimal digits, as 64 bits do not fit in a number. */
export interface RemotePart {
  readonly address: string;
  readonly key: string;
}

/** Parts of a peer's memory, in the order of `parts`. */
export const partsCount = 3;

export const FabricEvent = {
  /** A peer wants to connect. `connectionRequest` names it, for accept or reject; its private bytes may be padded. */
  CONNECTION_REQUEST: 0,
  /** The connection is ready for writes. */
  CONNECTED: 1,
  /** The connection is gone: the reason is in the bytes; `revoked` when the peer surely closed its memory to us. */
  BROKEN: 2,
  /** Completions have come, and the cells are up to date. */
  COMPLETED: 3,
} as const;

/** Cells of `NativeFabric.cells`, counted since the connection was made. */
export const FabricCell = {
  /** Sequence of the newest batch that is placed, and the number of blocks that are. */
  ACKED_SEQUENCE: 0,
  ACKED_BLOCKS: 1,
  /** Bytes in the ring. */
  STAGED_BYTES: 2,
  WRITES: 3,
  INLINE_WRITES: 4,
  WRITTEN_BYTES: 5,
  COMPLETIONS: 6,
  /** Times a write had to wait for the queue, or for the ring. */
  QUEUE_STALLS: 7,
  STAGING_STALLS: 8,
  MERGED_RANGES: 9,
  /** Newest sequence that `tell` has told the peer, once it has arrived. */
  TOLD_SEQUENCE: 10,
  /** Batches that were first written as a redo. */
  REDO_BATCHES: 11,
} as const;

/** Why `post` wrote nothing. Each reason is an error of the caller. */
export const FabricRefusal = {
  /** The records are malformed, or name memory that is not the peer's. */
  FOREIGN: -1,
  /** No connection has been made: CONNECTED has not come yet, or `disconnect` was called. */
  UNCONNECTED: -2,
  /** The sequence is not that of the batch before + 1. */
  OUT_OF_ORDER: -3,
} as const;

export type OnFabricEvent = (
  kind: number,
  connectionRequest: number,
  bytes: Buffer,
  revoked: boolean,
) => void;

/** The part of a region that the peer may write: all but the gap between the head and the body. */
type Span = [region: number, headBytes: number, bodyOffset: number];

export interface NativeFabric {
  readonly found: FabricFound;
  readonly cells: Float64Array;

  /** Passive end: returns the port. */
  listen(): number | NativeFailure;
  /** Passive end: accepts a connection request; an earlier connection ends. CONNECTED or BROKEN follows. */
  accept(connectionRequest: number): NativeFailure | null;
  reject(connectionRequest: number): void;
  /** Active end: connects, with private bytes for the peer. CONNECTED or BROKEN follows. */
  connect(bytes: Uint8Array, offset: number, length: number): NativeFailure | null;
  /**
   * Ends the connection; no event of it follows, not even one that is under way. The peer can no longer write to memory
   * that was exposed.
   */
  disconnect(): void;

  /** Registers a region and a mailbox for the peer's writes, with fresh keys. */
  expose(
    ...span: Span
  ): { readonly parts: readonly RemotePart[]; readonly mailbox: ArrayBuffer } | NativeFailure;
  /** Closes the registrations, then the connection: from now on no byte of the peer is placed. */
  revoke(): void;

  /** Says where the peer's memory is, and the region whose bytes it mirrors. */
  aim(...args: [...Span, parts: readonly RemotePart[]]): void;
  /**
   * Writes the records of bytes[offset, offset+length) in order, as one batch, whose sequence must be that of the batch
   * before + 1. Returns the number of records, or a FabricRefusal. On a broken connection nothing is written and no ack
   * follows: the event BROKEN tells. No event tells of completions that come within the call. A small batch is acked
   * once it stands in the peer's mailbox as a redo; its ranges are written before the loop sleeps, or before anything
   * else is written. The peer can read the batch's sequence if the batch has no range, or once `beat` or
   * `tell` follows.
   */
  post(bytes: Uint8Array, offset: number, length: number, sequence: number): number;
  /** Writes bytes of the region from where they stand. False when they are not the peer's, or no peer is connected. */
  block(offset: number, length: number): boolean;
  /**
   * Writes the sequence of the newest batch, our heartbeat, and the newest heartbeat of the peer, as an answer. False
   * when no peer is connected.
   */
  beat(beat: number, echo: number): boolean;
  /** Writes the sequence of the newest batch: see TOLD_SEQUENCE. False when no peer is connected. */
  tell(): boolean;
  /** Closes the end and all that it holds. No event follows. */
  close(): void;
}

export interface FabricFunctions {
  /** Version of libfabric. */
  fabricVersion(): string | NativeFailure;
  /** The offer of a provider for an address; nothing is opened. */
  fabricFind(query: FabricQuery): FabricFound | NativeFailure;
  fabricOpen(options: FabricOptions, onEvent: OnFabricEvent): NativeFabric | NativeFailure;
}

/** The fabric's part of the addon. */
export const fabric = native as object as FabricFunctions;
