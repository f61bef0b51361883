/**
 * A primary over a real transport, with clients and standbys that a test plays. The endpoint of the clients answers OK
 * to whatever comes.
 */

import type { MirrorSettings } from '../../backup/mirror-settings.js';
import type { Primary } from '../../backup/primary/primary.js';
import { failed, native } from '../../src/native/addon.js';
import { Wire } from '../../src/net/wire.js';
import { lines as replies } from '../../src/protocol/reply.js';
import { superblockBytes } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';
import { Client } from './client.js';
import { FalseStandby } from './false-standby.js';
import { lonePrimary, mirrorSettingsWith } from './lone-primary.js';
import { geometries, mappedRegion } from './region.js';

const host = '127.0.0.1';
/** Length of the ranges that `change` reports. */
export const rangeBytes = 256 * 1024;
export const deadAfterMs = 100;
export const heartbeatMs = 20;

/** A question whether the primary may go on alone, and how it is answered. */
interface Asked {
  readonly node: string;
  readonly answer: (granted: boolean) => void;
}

export class PrimaryRig {
  readonly wire = new Wire({ connectionsMax: 32 });
  readonly primary: Primary;
  /** What the endpoint of the clients does with a line, before it answers. */
  work: (line: string) => void = () => {};
  /** What the clients have sent. */
  readonly lines: string[] = [];
  readonly logged: string[] = [];
  ackTimeoutMs = 600_000;
  /** The newest question, which nobody has answered. */
  asked: Asked | null = null;
  private readonly region: Region;
  private readonly regionId: number;
  private readonly clientPort: number;
  private readonly linkPort: number;
  private readonly ends: (() => void)[] = [];

  constructor(standbysMost = 1, standbysRequired = 0) {
    const { wire } = this;
    const mapped = mappedRegion(geometries.mixed);
    this.region = mapped.region;
    this.regionId = mapped.nativeRegion.id;
    this.primary = lonePrimary({
      wire,
      region: this.region,
      regionId: this.regionId,
      mirrorSettings: this.mirrorSettings(standbysMost, standbysRequired),
      log: { say: (line) => this.logged.push(line), detail: () => {} },
      record: {
        claim: () => {},
        release: (node, answer) => {
          this.asked = { node, answer };
        },
      },
    });
    wire.hooks = {
      begin: () => {},
      end: () => this.primary.commit(this.region.journal, wire.nowMs),
      released: () => {},
    };
    const clients = { host, port: 0, path: null, mode: 0, backlog: 8, group: 0 } as const;
    const listener = wire.listen(clients, () => ({
      data: (offset, length) => this.serve(offset, length),
      closed: () => {},
    }));
    if (failed(listener)) throw new Error(listener.error);
    this.clientPort = wire.transport.listenerPort(listener);
    this.linkPort = this.primary.listen(host, 0);
  }

  /** Where standbys attach. */
  get port(): number {
    return this.linkPort;
  }

  async client(): Promise<Client> {
    const client = await Client.connect(host, this.clientPort);
    this.ends.push(() => client.close());
    return client;
  }

  /** A standby with a whole copy. */
  async standby(node = 'peer'): Promise<FalseStandby> {
    const standby = await FalseStandby.attach(this.linkPort, { deadAfterMs, node });
    this.ends.push(() => standby.peer.end());
    return standby;
  }

  /** A row of `stats mirror`. */
  stat(name: string): string | number | undefined {
    return new Map(this.primary.details()).get(name);
  }

  /** Reports a range of the region as changed. */
  change(): void {
    const { journal, pagesOffset, words } = this.region;
    journal.range(pagesOffset, rangeBytes, words[0]!, superblockBytes);
  }

  end(): void {
    for (const end of this.ends) end();
    this.primary.end();
    this.wire.transport.destroy();
    native.regionClose(this.regionId);
  }

  private serve(offset: number, length: number): number {
    const { wire, lines } = this;
    const line = Buffer.from(wire.input.subarray(offset, offset + length)).toString();
    lines.push(line);
    this.work(line);
    wire.output.put(replies.ok);
    return length;
  }

  private mirrorSettings(standbysMost: number, standbysRequired: number): MirrorSettings {
    const ackTimeoutMs = (): number => this.ackTimeoutMs;
    return {
      ...mirrorSettingsWith({ heartbeatMs, deadAfterMs, standbysMost, standbysRequired }),
      get ackTimeoutMs() {
        return ackTimeoutMs();
      },
    };
  }
}
