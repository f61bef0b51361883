/**
 * When silence is a death. Pure: it is told when something was heard and what time it is.
 *
 * A primary sends something at least every heartbeat. The standby looks at the clock about as often, and adds up how
 * long it has heard nothing *while it was itself awake*: a gap between two looks counts as one look's worth, because
 * whoever slept through it cannot know who spoke. So a standby that was stopped, or waited long for a processor, does
 * not take its own absence for the other's death; it needs `deadAfter` of silence that it was there to hear.
 */

export interface DetectorOptions {
  /** Silence that is a death, in ms. */
  readonly deadAfterMs: number;
  /** How often `look` is called, in ms. */
  readonly lookMs: number;
}

/** A longer gap than this many looks is the observer's own absence. */
const awakeLooks = 2;

export class Detector {
  private readonly options: DetectorOptions;
  private lookedMs: number;
  private silentMs = 0;

  constructor(options: DetectorOptions, nowMs: number) {
    this.options = options;
    this.lookedMs = nowMs;
  }

  /** `heardMs` is when something was last heard. True when the peer is dead: after `deadAfterMs`, or what is given. */
  look(nowMs: number, heardMs: number, deadAfterMs = this.options.deadAfterMs): boolean {
    const heard = heardMs >= this.lookedMs;
    const silence = nowMs - (heard ? heardMs : this.lookedMs);
    const awake = Math.min(silence, this.options.lookMs * awakeLooks);
    this.silentMs = heard ? awake : this.silentMs + awake;
    this.lookedMs = nowMs;
    return this.silentMs >= deadAfterMs;
  }

  /** Silence heard so far, in ms. */
  get silence(): number {
    return this.silentMs;
  }
}
