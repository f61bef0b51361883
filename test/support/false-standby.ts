/**
 * A standby played by a test: it takes blocks and batches and throws them away, and acks them for as long as the test
 * wants. Its primary takes it for a standby with a whole copy.
 */
import { FrameType } from '../../backup/channel/frame.js';
import type { Proof } from '../../backup/channel/hello.js';
import { Peer, type PeerFrame } from './peer.js';
import { until } from './until.js';

export class FalseStandby {
  readonly peer: Peer;
  /** While false, blocks and batches are not acked until `ack` is called. */
  acking = true;
  /** While false, its heartbeats go on, but echo no newer heartbeat, as behind a cut in one direction. */
  hearing = true;
  private sequence = 0;
  private blocks = 0;
  private beats = 0;
  private heardBeat = 0;

  private constructor(peer: Peer) {
    this.peer = peer;
    peer.onFrame = (frame) => this.take(frame);
  }

  /** Attaches to the primary at this port; resolves once the primary has confirmed that the copy is whole. */
  static async attach(port: number, identity: Partial<Proof> = {}): Promise<FalseStandby> {
    const standby = new FalseStandby(await Peer.connect(port));
    const { peer } = standby;
    await peer.prove(identity);
    await peer.message(FrameType.WELCOME);
    const confirms = (frame: PeerFrame): boolean =>
      frame.type === FrameType.HEARTBEAT && frame.count > 0;
    await until('an echo behind SYNCED', () => {
      const synced = peer.frames.findIndex(({ type }) => type === FrameType.SYNCED);
      return synced >= 0 && peer.frames.slice(synced).some(confirms);
    });
    return standby;
  }

  /** Batches that have come. */
  get batches(): PeerFrame[] {
    return this.peer.frames.filter(({ type }) => type === FrameType.BATCH);
  }

  /** Acks everything that has arrived. */
  ack(): void {
    const { sequence, blocks } = this;
    this.peer.send(FrameType.ACK, null, { sequence, count: blocks });
  }

  private take({ type, sequence }: PeerFrame): void {
    if (type === FrameType.HEARTBEAT) {
      this.beats++;
      if (this.hearing) this.heardBeat = sequence;
      this.peer.send(FrameType.HEARTBEAT, null, { sequence: this.beats, count: this.heardBeat });
    } else if (type === FrameType.WELCOME) {
      // The first ack says that the memory is mapped.
      this.ack();
    } else if (type === FrameType.BEGIN) {
      this.sequence = sequence;
    } else if (type === FrameType.BLOCK || type === FrameType.BATCH || type === FrameType.SYNCED) {
      if (type === FrameType.BLOCK) this.blocks++;
      else this.sequence = sequence;
      if (this.acking) this.ack();
    }
  }
}
