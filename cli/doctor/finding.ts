/** The result of one check of `hotspare doctor`. */
export interface Finding {
  readonly what: string;
  /** `fail`: RDMA over a device cannot be had. `note`: it can, but not at its best. */
  readonly state: 'good' | 'note' | 'fail';
  readonly found: string;
  /** The remedy; empty when there is nothing to do. */
  readonly remedy: string;
}
