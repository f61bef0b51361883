/**
 * While a standby that was lost may still take over, no reply leaves: it could be one that such a takeover loses. How
 * long that is, is its lease (docs/decisions/lease.md). The channel stays open meanwhile where it can: a standby that
 * has fenced us says so there.
 */

import type { Channel } from '../channel/channel.js';
import type { Attached } from './attached.js';

export class Hold {
  private untilMs = 0;
  private standby = '';
  private channel: Channel | null = null;

  get isOn(): boolean {
    return this.untilMs > 0;
  }

  /** Where it is; empty when it cannot be heard. */
  get peer(): string {
    return this.channel?.peer ?? '';
  }

  /** Where it can still be told something; null when it cannot be heard. */
  get line(): Channel | null {
    return this.channel;
  }

  /** The node that was lost. */
  get node(): string {
    return this.standby;
  }

  start({ node, channel }: Attached, untilMs: number): void {
    this.standby = node;
    this.untilMs = untilMs;
    this.channel = channel;
  }

  leftMs(nowMs: number): number {
    return this.untilMs - nowMs;
  }

  end(): void {
    this.untilMs = 0;
    this.hangUp();
  }

  /** What the standby still has to say comes another way. */
  hangUp(): void {
    this.channel?.close(false);
    this.channel = null;
  }
}
