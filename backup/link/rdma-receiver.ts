/**
 * The RDMA link, standby's end: opens the region and a mailbox to the primary's writes, and looks into the mailbox. It
 * reads no byte of the region before the writer is fenced.
 */

import { assert } from '../../src/base/errors.js';
import { fabricMs } from '../../src/base/limits.js';
import { failed, type NativeFailure, type NativeRegion } from '../../src/native/addon.js';
import { FabricEvent, fabricProviders, type NativeFabric } from '../../src/native/fabric.js';
import type { Ports, Timer } from '../../src/native/ports.js';
import { limitsOf } from '../../src/process/system-limits.js';
import { type FrameHeader, FrameType } from '../channel/frame.js';
import type { MemoryRegistration, Welcome } from '../channel/hello.js';
import type { BatchReceiver, BatchReceiverEvents } from './link.js';
import { mirroredSpan } from './link-setup.js';
import { Mailbox } from './mailbox.js';

export interface RdmaReceiverEvents extends BatchReceiverEvents {
  /** The primary is connected, and may be told where the memory is registered; or RDMA failed, for the reason given. */
  decided(registration: MemoryRegistration): void;
}

export class RdmaReceiver implements BatchReceiver {
  sequence = 0;
  readonly receivedBytes = null;
  private readonly ports: Ports;
  private readonly nativeRegion: NativeRegion;
  private readonly events: RdmaReceiverEvents;
  private fabric: NativeFabric | null = null;
  private mailbox: Mailbox | null = null;
  private timer: Timer | null = null;
  private registration: MemoryRegistration = { failure: '', parts: [] };
  private decided = false;
  private beat = -1;
  private pulse = 0;

  constructor(ports: Ports, nativeRegion: NativeRegion, events: RdmaReceiverEvents) {
    this.ports = ports;
    this.nativeRegion = nativeRegion;
    this.events = events;
  }

  /** Connects to the port that the primary named. `decided` follows. */
  open(host: string, welcome: Welcome): void {
    const provider = fabricProviders.find((one) => one === welcome.provider)!;
    const where = { provider, host, port: welcome.fabricPort, passive: false };
    const options = { ...where, stagingBytes: 0, patienceMs: 0, spinUs: 0 };
    const { network, memory } = this.ports;
    const opened = network.fabric.fabricOpen(options, (kind, _, bytes) => this.event(kind, bytes));
    if (failed(opened)) {
      this.decide(sentence(opened), null);
      return;
    }
    this.fabric = opened;
    const exposed = opened.expose(this.nativeRegion.id, ...mirroredSpan);
    if (failed(exposed)) {
      this.decide(`its memory cannot be registered: ${sentence(exposed)}${limits()}`, null);
      return;
    }
    this.mailbox = new Mailbox(exposed.mailbox, memory.crc32c);
    this.registration = { failure: '', parts: exposed.parts };
    const token = Buffer.from(welcome.token, 'hex');
    const failure = opened.connect(token, 0, token.length);
    if (failure !== null) this.decide(sentence(failure), null);
    else
      this.timer = this.ports.timers.after(fabricMs, () =>
        this.decide('it does not connect', null),
      );
  }

  begin(sequence: number): void {
    // The mailbox may have told of a later batch already.
    this.sequence = Math.max(this.sequence, sequence);
  }

  /** Until the link is open the primary's heartbeats come over the channel. */
  receive({ type }: FrameHeader): boolean {
    return type === FrameType.HEARTBEAT;
  }

  acknowledge(): void {}

  poll(): void {
    const { mailbox } = this;
    if (mailbox === null) return;
    const sequence = mailbox.sequence();
    const letter = mailbox.beat();
    // Long batches keep a heartbeat waiting, so a batch is a sign of life, too, and so is a pulse mailed in the midst
    // of one.
    const moved = sequence !== null && sequence > this.sequence;
    if (moved) this.sequence = sequence;
    const beats = letter !== null && letter.beat !== this.beat;
    if (beats) this.beat = letter.beat;
    const pulses = letter !== null && letter.pulse !== this.pulse;
    if (pulses) this.pulse = letter.pulse;
    if (moved || beats || pulses)
      this.events.heard(beats ? letter.beat : 0, beats ? letter.echo : 0);
  }

  holds(sequence: number): boolean {
    this.poll();
    return this.sequence >= sequence;
  }

  revoke(): void {
    if (this.fabric === null || this.mailbox === null) return;
    this.fabric.revoke();
    this.poll();
    this.redo(this.mailbox);
    this.close();
  }

  close(): void {
    this.timer?.cancel();
    this.timer = null;
    this.mailbox = null;
    // A primary that was not fenced notices the end of the connection.
    this.fabric?.close();
    this.fabric = null;
  }

  private event(kind: number, bytes: Buffer): void {
    if (kind === FabricEvent.CONNECTED) {
      this.decide('', this.registration);
    } else if (kind === FabricEvent.BROKEN) {
      if (this.decided) this.events.broken(bytes.toString());
      else this.decide(bytes.toString(), null);
    }
  }

  private decide(failure: string, registration: MemoryRegistration | null): void {
    if (this.decided) return;
    this.decided = true;
    this.timer?.cancel();
    if (registration === null) this.close();
    this.events.decided(registration ?? { failure, parts: [] });
  }

  /** Places a batch that was acked but not placed yet, and makes a word whole that was cut in two. */
  private redo(mailbox: Mailbox): void {
    const redo = mailbox.redo();
    if (redo === null) return;
    const { sequence, records } = redo;
    const placed = this.ports.memory.regionApply(this.nativeRegion.id, records, 0, records.length);
    assert(placed >= 0, 'a redo is made of records of this region');
    this.sequence = Math.max(this.sequence, sequence);
  }
}

function sentence({ call, error }: NativeFailure): string {
  return `${call}: ${error}`;
}

/** How much memory this process may lock, for a registration that was refused. */
function limits(): string {
  const [bytes] = limitsOf('Max locked memory') ?? [Number.POSITIVE_INFINITY];
  if (bytes === Number.POSITIVE_INFINITY) return '';
  const kibibytes = Math.floor(bytes / 1024);
  return ` (it may lock ${kibibytes} KiB: ulimit -l unlimited, or LimitMEMLOCK=infinity)`;
}
