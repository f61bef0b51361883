/**
 * The addresses at which a primary may be found: the one that this node was started with, those it was told of, and
 * those of the nodes it has met. A node that holds no whole copy tries them in turn. Nodes that came here to look for a
 * primary, with no copy themselves, are noted: when all have come so, no node holds the cache any more. A node that
 * named no link port is known by its host. Pure.
 */

import type { PrimaryAddress } from '../backup/standby/standby.js';
import { addressText } from '../src/flags/settings.js';

/**
 * A node that came here to look for a primary is taken to look still for so long, in ms: several times the longest
 * pause.
 */
const seekingMs = 5_000;

/** What is known of nodes of one host that named no link port. */
interface Linkless {
  /** When a node of this host last said that it reigns, and when one last came to look for a primary, with no copy. */
  reignedMs: number;
  soughtMs: number;
}

export class PrimaryAddresses {
  private readonly addresses: PrimaryAddress[] = [];
  /** When each node came here to look for a primary, with no copy. */
  private readonly seekers = new Map<string, number>();
  private readonly linkless = new Map<string, Linkless>();
  /** Addresses that nobody named: a node that named none is looked for there all the same. */
  private readonly guesses = new Set<string>();
  private readonly isSelf: (address: PrimaryAddress) => boolean;

  /** `isSelf`: whether this node itself listens there at present, so that no other node can be met. */
  constructor(isSelf: (address: PrimaryAddress) => boolean) {
    this.isSelf = isSelf;
  }

  /** The address that is tried now; null when none is known. */
  get current(): PrimaryAddress | null {
    return this.all[0] ?? null;
  }

  /** All addresses at which another node may be met. */
  get all(): readonly PrimaryAddress[] {
    return this.addresses.filter((address) => !this.isSelf(address));
  }

  /** Adds an address at which there may be a primary; it is tried last. */
  add(address: PrimaryAddress): void {
    this.guesses.delete(textOf(address));
    if (!this.isSelf(address) && this.at(address) < 0) this.addresses.push(address);
  }

  /** A node of this host reigns, and named no link port. It is looked for at this port; 0: nowhere. */
  reignsWithoutLink(host: string, port: number, nowMs: number): void {
    this.linklessAt(host).reignedMs = nowMs;
    const address = { host, port };
    if (port === 0 || this.isSelf(address) || this.at(address) >= 0) return;
    this.addresses.push(address);
    this.guesses.add(textOf(address));
  }

  /** A node of this host, which has no link port, has come here, and looks for a primary with no copy. */
  seeksWithoutLink(host: string, nowMs: number): void {
    this.linklessAt(host).soughtMs = nowMs;
  }

  /** Tries this address from now on. False for this node's own. */
  prefer(address: PrimaryAddress): boolean {
    if (this.isSelf(address)) return false;
    const at = this.at(address);
    if (at >= 0) this.addresses.splice(at, 1);
    this.addresses.unshift(address);
    this.guesses.delete(textOf(address));
    this.seekers.delete(textOf(address));
    return true;
  }

  /** No primary was found at the current address: turns to the next. */
  rotate(): void {
    const { current } = this;
    if (current === null) return;
    this.addresses.splice(this.at(current), 1);
    this.addresses.push(current);
  }

  /** The node that listens at this address has come here, and looks for a primary with no copy. */
  seeks(address: PrimaryAddress, nowMs: number): void {
    this.add(address);
    this.seekers.set(textOf(address), nowMs);
  }

  /** True when every known node looks for a primary as this one does. */
  areAllSeeking(nowMs: number): boolean {
    const named = this.all.filter((address) => !this.guesses.has(textOf(address)));
    const linkless = [...this.linkless.values()];
    return (
      named.length + linkless.length > 0 &&
      named.every((address) => this.isSeeking(address, nowMs)) &&
      // A node that reigns says so more often than once in this time, and another may be on its host.
      linkless.every(
        ({ reignedMs, soughtMs }) => nowMs - soughtMs < seekingMs && nowMs - reignedMs >= seekingMs,
      )
    );
  }

  private isSeeking(address: PrimaryAddress, nowMs: number): boolean {
    const seenMs = this.seekers.get(textOf(address));
    return seenMs !== undefined && nowMs - seenMs < seekingMs;
  }

  private linklessAt(host: string): Linkless {
    const known = this.linkless.get(host);
    if (known !== undefined) return known;
    const never = Number.NEGATIVE_INFINITY;
    const found = { reignedMs: never, soughtMs: never };
    this.linkless.set(host, found);
    return found;
  }

  private at(address: PrimaryAddress): number {
    return this.addresses.findIndex((one) => textOf(one) === textOf(address));
  }
}

function textOf({ host, port }: PrimaryAddress): string {
  return addressText(host, port);
}
