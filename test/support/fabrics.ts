/** Both ends of a fabric for tests: small regions, records, and a connected pair. */

import { failed, type NativeFailure, type NativeRegion, native } from '../../src/native/addon.js';
import {
  FabricEvent,
  fabric,
  type NativeFabric,
  type RemotePart,
} from '../../src/native/fabric.js';
import { linkHost, provider } from './links.js';
import { until } from './until.js';

/** The second half of the first page, which the peer may not write. */
export const span = [2048, 4096] as const;
export const regionBytes = 2 ** 20;

export function fabricRegion(): NativeRegion {
  const region = native.regionOpen({
    headBytes: 8192,
    pagesBytes: regionBytes - 8192,
    segmentBytes: 2 ** 30,
    file: null,
    discard: false,
    lockMemory: false,
    hugePages: false,
  });
  return must(region);
}

export function must<T>(result: T | NativeFailure): T {
  if (failed(result)) throw new Error(`${result.call}: ${result.error}`);
  return result;
}

/** Parts of a peer's memory that no peer has. */
export const nowhere: readonly RemotePart[] = ['1', '2', '3'].map((key) => ({ address: '0', key }));

/** A record of the journal. */
export function record(offset: number, bytes: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + bytes.length);
  whole.writeUInt32LE(offset, 0);
  whole.writeUInt32LE(bytes.length, 8);
  whole.set(bytes, 12);
  return whole;
}

export interface Seen {
  readonly kind: number;
  readonly text: string;
  readonly revoked: boolean;
}

export class End {
  readonly seen: Seen[] = [];
  readonly native: NativeFabric;
  /** The private bytes of the connection request that is accepted. */
  token: Buffer | null = null;
  /** Called right behind an accept. */
  accepted = (): void => {};

  constructor(passive: boolean, port: number) {
    const where = { provider, host: linkHost, port, passive };
    this.native = must(
      fabric.fabricOpen(
        { ...where, stagingBytes: passive ? 2 ** 22 : 0, patienceMs: 2000, spinUs: 0 },
        (...event) => this.event(...event),
      ),
    );
  }

  has(kind: number): boolean {
    return this.seen.some((one) => one.kind === kind);
  }

  private event(kind: number, connectionRequest: number, bytes: Buffer, revoked: boolean): void {
    if (kind === FabricEvent.COMPLETED) return;
    this.seen.push({ kind, text: bytes.toString('latin1'), revoked });
    if (kind !== FabricEvent.CONNECTION_REQUEST) return;
    const known = this.token !== null && bytes.subarray(0, this.token.length).equals(this.token);
    if (!known) {
      this.native.reject(connectionRequest);
      return;
    }
    must(this.native.accept(connectionRequest));
    this.accepted();
  }
}

export interface Two {
  readonly writer: End;
  readonly reader: End;
  readonly parts: readonly RemotePart[];
  readonly mailbox: ArrayBuffer;
}

/** Connects a reader that has opened `region` to the writer. */
export async function connected(writer: End, port: number, region: NativeRegion): Promise<Two> {
  const token = Buffer.from('a token of this test');
  writer.token = token;
  writer.seen.length = 0;
  const reader = new End(false, port);
  const { parts, mailbox } = must(reader.native.expose(region.id, ...span));
  must(reader.native.connect(token, 0, token.length));
  const both = (): boolean => [writer, reader].every((end) => end.has(FabricEvent.CONNECTED));
  await until('a connection', both, { everyMs: 1 });
  return { writer, reader, parts, mailbox };
}
