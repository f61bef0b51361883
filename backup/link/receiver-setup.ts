/**
 * Sets up the standby's end of a link: of the link that the WELCOME names, or of the TCP link where RDMA cannot be had
 * after all. link-setup.ts is the primary's side.
 */
import type { NativeRegion } from '../../src/native/addon.js';
import type { Ports } from '../../src/native/ports.js';
import type { Channel } from '../channel/channel.js';
import type { MemoryRegistration, Welcome } from '../channel/hello.js';
import type { BatchReceiver, BatchReceiverEvents } from './link.js';
import { RdmaReceiver } from './rdma-receiver.js';
import { TcpReceiver } from './tcp.js';

export interface ReceiverParts extends BatchReceiverEvents {
  readonly welcome: Welcome;
  readonly nativeRegion: NativeRegion;
  readonly ports: Ports;
  readonly channel: Channel;
  /** The primary's host. */
  readonly host: string;
  /** False once this session has ended, or another has begun. */
  isCurrent(): boolean;
  /** The receiver is there. Called again when another receiver takes its place. */
  opened(receiver: BatchReceiver): void;
  /** The registration of this node's region, or why there is none, is known: the primary is to be told. */
  decided(registration: MemoryRegistration): void;
}

export function openReceiver(parts: ReceiverParts): void {
  const { welcome, nativeRegion, channel, ports } = parts;
  const { epoch, provider } = welcome;
  const useTcp = (): TcpReceiver => {
    const receiver = new TcpReceiver(ports.memory, nativeRegion.id, epoch, channel, parts);
    parts.opened(receiver);
    return receiver;
  };
  if (provider === '') {
    useTcp().acknowledge();
    return;
  }
  const receiver = new RdmaReceiver(ports, nativeRegion, {
    heard: (beat, echo) => parts.heard(beat, echo),
    broken: (reason) => parts.broken(reason),
    decided: (registration) => {
      if (!parts.isCurrent()) return;
      if (registration.failure !== '') useTcp();
      parts.decided(registration);
    },
  });
  parts.opened(receiver);
  receiver.open(parts.host, welcome);
}
