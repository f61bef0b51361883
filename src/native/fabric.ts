/**
 * The face of the addon's fabric: one-sided writes into another process' memory over libfabric, which is loaded at run
 * time. Failures are codes, as in native.ts; where libfabric or its headers are missing every function says so.
 *
 * An object is one end: the passive end listens, accepts one connection at a time and writes; the active end connects,
 * and opens its memory to be written. Each has an endpoint (native/fabric_endpoint.h), and beside it a primary's writer
 * (native/mirror_writer.h) and a standby's target (native/mirror_target.h).
 */
import { type NativeFailure, native } from './addon.js';

/** `verbs` needs a device; `tcp` is libfabric's own, the same code on any machine. */
export const fabricProviders = ['verbs', 'tcp'] as const;
export type FabricProvider = (typeof fabricProviders)[number];

/** `--transport`: which link. */
export const transports = ['auto', 'tcp', 'rdma'] as const;
export type Transport = (typeof transports)[number];

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
  /** A queue or ring that is full is waited for this long; then the connection is broken. */
  readonly patienceMs: number;
  /** How many microseconds `post` waits for the ack of its batch. */
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

/** Where a peer may write, in decimal digits: 64 bits do not fit in a number. */
export interface RemotePart {
  readonly address: string;
  readonly key: string;
}

/** Parts of a peer's memory, in the order of `parts`. */
export const partsCount = 3;

export const FabricEvent = {
  /** Somebody wants to connect: `request`, and its private bytes (which may be padded). Accept or reject it. */
  REQUEST: 0,
  /** The connection carries. */
  CONNECTED: 1,
  /** The connection is gone: the reason is in the bytes; `revoked` when the peer surely closed its memory to us. */
  BROKEN: 2,
  /** Completions have come: see the cells. */
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
  /** Sequence that the peer was told with `tell`, once it has arrived. */
  TOLD_SEQUENCE: 10,
  /** Batches that went as a redo first. */
  REDO_BATCHES: 11,
} as const;

/** The reason why `post` wrote nothing. Each is an error of the caller. */
export const FabricRefusal = {
  /** The records are malformed, or not the peer's. */
  FOREIGN: -1,
  /** No connection has been made: CONNECTED has not come yet, or `disconnect` was called. */
  UNCONNECTED: -2,
  /** The sequence is not the one before + 1. */
  OUT_OF_ORDER: -3,
} as const;

export type OnFabricEvent = (
  kind: number,
  request: number,
  bytes: Buffer,
  revoked: boolean,
) => void;

/** Where the peer may write a region: all but what stands between the head and the body. */
type Span = [region: number, headBytes: number, bodyOffset: number];

export interface NativeFabric {
  readonly found: FabricFound;
  readonly cells: Float64Array;

  /** Passive: returns the port. */
  listen(): number | NativeFailure;
  /** Accepts a request; an earlier connection ends. CONNECTED or BROKEN follows. */
  accept(request: number): NativeFailure | null;
  reject(request: number): void;
  /** Active: connects, with private bytes for the peer. CONNECTED or BROKEN follows. */
  connect(bytes: Uint8Array, offset: number, length: number): NativeFailure | null;
  /**
   * Ends the connection; no event of it follows, not even one that has come already. Memory that was exposed is closed
   * to the peer.
   */
  disconnect(): void;

  /** Registers a region and a mailbox for the peer's writes, with fresh keys. */
  expose(
    ...span: Span
  ): { readonly parts: readonly RemotePart[]; readonly mailbox: ArrayBuffer } | NativeFailure;
  /** Closes the registrations, then the connection: from now on not one byte of the peer's is placed. */
  revoke(): void;

  /** Where the peer's memory is; the region is the one whose bytes it mirrors. */
  aim(...args: [...Span, parts: readonly RemotePart[]]): void;
  /**
   * Writes the records of bytes[offset, offset+length) in order, as one batch; its sequence is the one before + 1.
   * Returns their number, or a FabricRefusal. On a connection that is broken nothing is written, and no ack follows:
   * BROKEN tells it. No event tells of completions that come within the call. A small batch is acked once it stands in
   * the peer's mailbox as a redo; its ranges are written before the loop sleeps, or anything else is written. The peer
   * can read the batch's sequence if there is no range in it, or once `beat` or `tell` follows.
   */
  post(bytes: Uint8Array, offset: number, length: number, sequence: number): number;
  /** Writes bytes of the region from where they stand. False when they are not the peer's, or nobody has connected. */
  block(offset: number, length: number): boolean;
  /**
   * Writes the sequence of the newest batch, the heartbeat, and the newest of the peer's that it answers. False when
   * nobody has connected.
   */
  beat(beat: number, echo: number): boolean;
  /** Writes the sequence of the newest batch: see TOLD_SEQUENCE. False when nobody has connected. */
  tell(): boolean;
  /** Ends everything. No event follows. */
  close(): void;
}

export interface FabricFunctions {
  /** Version of libfabric. */
  fabricVersion(): string | NativeFailure;
  /** The offer of a provider for an address, which is not opened. */
  fabricFind(query: FabricQuery): FabricFound | NativeFailure;
  fabricOpen(options: FabricOptions, onEvent: OnFabricEvent): NativeFabric | NativeFailure;
}

/** The rest of the addon, under a name of its own. */
export const fabric = native as object as FabricFunctions;
