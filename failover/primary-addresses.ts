/**
 * Where a primary may be found: the address this node was started with, those it was told of, and those of the nodes it
 * has met. A node that holds no whole copy tries them in turn. It also notes who of them has come here to look for a
 * primary with nothing in hand: when all have, nobody holds the cache any more. Pure.
 */

import type { PrimaryAddress } from '../backup/standby/standby.js';
import { addressText } from '../src/flags/options.js';

/** A node that came here looking is believed to look still for so long, in ms: several times the longest pause. */
const seekingMs = 5_000;

export class PrimaryAddresses {
  private readonly addresses: PrimaryAddress[] = [];
  /** When each came here to look for a primary, with nothing in hand. */
  private readonly seekers = new Map<string, number>();
  private readonly isSelf: (address: PrimaryAddress) => boolean;

  /** `isSelf`: this node itself listens there now, and nobody else can be met. That may change. */
  constructor(isSelf: (address: PrimaryAddress) => boolean) {
    this.isSelf = isSelf;
  }

  /** Where it is tried now; null: nothing is known. */
  get current(): PrimaryAddress | null {
    return this.all[0] ?? null;
  }

  /** All at which another node may be met. */
  get all(): readonly PrimaryAddress[] {
    return this.addresses.filter((address) => !this.isSelf(address));
  }

  /** Another address at which there may be one; it is tried last. */
  add(address: PrimaryAddress): void {
    if (!this.isSelf(address) && this.at(address) < 0) this.addresses.push(address);
  }

  /** The address that is tried from now on. False for this node's own. */
  prefer(address: PrimaryAddress): boolean {
    if (this.isSelf(address)) return false;
    const at = this.at(address);
    if (at >= 0) this.addresses.splice(at, 1);
    this.addresses.unshift(address);
    this.seekers.delete(textOf(address));
    return true;
  }

  /** Nobody was found where it was tried: the next. */
  rotate(): void {
    const { current } = this;
    if (current === null) return;
    this.addresses.splice(this.at(current), 1);
    this.addresses.push(current);
  }

  /** The node that listens there has come here, and looks for a primary with nothing in hand. */
  seeks(address: PrimaryAddress, nowMs: number): void {
    this.add(address);
    this.seekers.set(textOf(address), nowMs);
  }

  /** True when every node that is known looks for a primary as we do. */
  areAllSeeking(nowMs: number): boolean {
    const { all } = this;
    return all.length > 0 && all.every((address) => this.isSeeking(address, nowMs));
  }

  private isSeeking(address: PrimaryAddress, nowMs: number): boolean {
    const seenMs = this.seekers.get(textOf(address));
    return seenMs !== undefined && nowMs - seenMs < seekingMs;
  }

  private at(address: PrimaryAddress): number {
    return this.addresses.findIndex((one) => textOf(one) === textOf(address));
  }
}

function textOf({ host, port }: PrimaryAddress): string {
  return addressText(host, port);
}
