/**
 * How a link comes to be, standby's side: the one that the WELCOME names, or the TCP link where RDMA cannot be had
 * after all. See opening.ts.
 */
import type { NativeRegion } from '../../src/native/addon.js';
import type { Ports } from '../../src/native/ports.js';
import type { Channel } from '../channel/channel.js';
import type { Memory, Welcome } from '../channel/hello.js';
import type { Landing, LandingEvents } from './link.js';
import { RdmaLanding } from './rdma-landing.js';
import { TcpLanding } from './tcp.js';

export interface LandingParts extends LandingEvents {
  readonly welcome: Welcome;
  readonly memory: NativeRegion;
  readonly ports: Ports;
  readonly channel: Channel;
  /** Where the primary is. */
  readonly host: string;
  /** False when another session has begun, or this one has ended. */
  isCurrent(): boolean;
  /** Takes the landing: at once, and again when another takes its place. */
  landed(landing: Landing): void;
  /** What the primary is to be told of our memory. */
  decided(memory: Memory): void;
}

export function openLanding(parts: LandingParts): void {
  const { welcome, memory, channel, ports } = parts;
  const { epoch, sequence, provider } = welcome;
  const useTcp = (): TcpLanding => {
    const landing = new TcpLanding(ports.memory, memory.id, epoch, sequence, channel, parts);
    parts.landed(landing);
    return landing;
  };
  if (provider === '') {
    useTcp().drained();
    return;
  }
  const landing = new RdmaLanding(ports, memory, sequence, {
    heard: (beat, echo) => parts.heard(beat, echo),
    broken: (reason) => parts.broken(reason),
    decided: (decided) => {
      if (!parts.isCurrent()) return;
      if (decided.failure !== '') useTcp();
      parts.decided(decided);
    },
  });
  parts.landed(landing);
  landing.open(parts.host, welcome);
}
