/**
 * Measures how long a peer has been silent. Pure: it is told when something was heard and what time it is. Role.ts
 * decides which silence is a death.
 *
 * A primary sends something at least every heartbeat. The standby looks at the clock about as often, and adds up how
 * long it has heard nothing *while it was itself awake*: a long gap between two looks counts as two looks' time at
 * most, because a standby that slept through the gap cannot know whether the primary spoke. A standby that was stopped,
 * or waited long for a processor, therefore does not take its own absence for the primary's death.
 */

/** A gap of more than this many looks is the observer's own absence. */
const awakeLooks = 2;

export class Detector {
  private readonly lookMs: number;
  private lookedMs: number;
  private silentMs = 0;

  /** `lookMs`: how often `look` is called. */
  constructor(lookMs: number, nowMs: number) {
    this.lookMs = lookMs;
    this.lookedMs = nowMs;
  }

  /** `heardMs`: when something was last heard. Returns the silence that the standby was awake to hear, in ms. */
  look(nowMs: number, heardMs: number): number {
    const heard = heardMs >= this.lookedMs;
    const silence = nowMs - (heard ? heardMs : this.lookedMs);
    const awake = Math.min(silence, this.lookMs * awakeLooks);
    this.silentMs = heard ? awake : this.silentMs + awake;
    this.lookedMs = nowMs;
    return this.silentMs;
  }
}
