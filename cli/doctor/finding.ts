/** A thing that `hotspare doctor` has looked at. */
export interface Finding {
  readonly what: string;
  /** `fail`: what was asked for cannot be had. `note`: it can, but not at its best. */
  readonly state: 'good' | 'note' | 'fail';
  readonly found: string;
  /** Advice; empty when there is nothing to do. */
  readonly remedy: string;
}
