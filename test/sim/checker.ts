/**
 * Judges a history of several nodes: what clients were answered, which node began to reign when, with which values in
 * its memory, and who could reach whom. It shares nothing with the nodes. Pure: it is told what happened, in order.
 *
 * A *reign* is one stretch of serving by one node. It continues the cache of its *parent*: the reign that the node was
 * in sync with when it took over, or the one whose memory file it opened. A key has one writer, which writes a larger
 * serial number each time, and leaves the key for good when an answer stays out. So the state of a key is a number, and
 * each reign knows the newest that was acknowledged in it or in the reigns before it.
 */

/** One stretch of serving by one node. */
export interface Reign {
  readonly node: string;
  readonly epoch: number;
  readonly cache: string;
  readonly parent: Reign | null;
  readonly beganMs: number;
  /** Newest serial that was acknowledged, by key, in this reign or before it. */
  readonly acknowledged: Map<string, number>;
  /** Writes that were acknowledged in this reign since a standby of it was last in sync; they are on one node only. */
  alone: Map<string, number>;
  /** True while a standby is in sync: then every write is on two nodes. */
  mirrored: boolean;
  /** Writes that were acknowledged in this reign. */
  writes: number;
  endedMs: number | null;
}

/** Who can hear whom, now and lately. */
export interface Contact {
  /** For how long both nodes have been running, and each has reached the other, up to now; in ms. */
  togetherMs(one: string, other: string): number;
}

/** How long two reigns may go on beside each other once they can reach each other: a knock, a hello, a word. */
export const settleMs = 2500;

export class Checker {
  /** What was found; the first is what matters. */
  readonly violations: string[] = [];
  readonly reigns: Reign[] = [];
  takeovers = 0;
  answers = 0;
  private readonly contact: Contact;
  private readonly current = new Map<string, Reign>();
  /** The newest serial that each writer has sent, by key: no value may be above it. */
  private readonly sent = new Map<string, number>();
  private nowMs = 0;
  /** Nodes of which a standby is in sync, whether they serve yet or not. */
  private readonly mirroring = new Set<string>();

  constructor(contact: Contact) {
    this.contact = contact;
  }

  /** The reign of a node that serves, or null. */
  reignOf(node: string): Reign | null {
    return this.current.get(node) ?? null;
  }

  /** A node begins to serve. `values` is what its memory holds; `parent` the reign that it continues, or null. */
  begins(
    node: string,
    { epoch, cache, parent }: Pick<Reign, 'epoch' | 'cache' | 'parent'>,
    values: ReadonlyMap<string, number>,
    nowMs: number,
  ): void {
    this.nowMs = nowMs;
    const acknowledged = new Map(parent?.acknowledged ?? []);
    if (parent !== null) {
      if (parent.node !== node) this.takeovers++;
      for (const [key, serial] of acknowledged) {
        const found = values.get(key) ?? 0;
        if (found < serial) {
          this.fail(
            `${node} begins epoch ${epoch} without an acknowledged write: ${key} is ${found}, ` +
              `${parent.node} acknowledged ${serial} in epoch ${parent.epoch}`,
          );
        }
      }
    }
    for (const [key, found] of values) {
      const sent = this.sent.get(key) ?? 0;
      if (found > sent) this.fail(`${node} holds ${key} = ${found}, which nobody has sent`);
    }
    const reign: Reign = {
      node,
      epoch,
      cache,
      parent,
      beganMs: nowMs,
      acknowledged,
      alone: new Map(),
      mirrored: this.mirroring.has(node),
      writes: 0,
      endedMs: null,
    };
    this.current.set(node, reign);
    this.reigns.push(reign);
  }

  /** A standby of this node is in sync, or no longer. */
  mirrors(node: string, mirrored: boolean): void {
    if (mirrored) this.mirroring.add(node);
    else this.mirroring.delete(node);
    const reign = this.current.get(node);
    if (reign === undefined) return;
    reign.mirrored = mirrored;
    if (mirrored) reign.alone = new Map();
  }

  /**
   * A node serves no longer: it was killed, or gave way. `admitted`: how many acknowledged changes it said are lost
   * with it; null when it said nothing.
   */
  ends(node: string, how: 'killed' | 'gave way', admitted: number | null, nowMs: number): void {
    this.nowMs = nowMs;
    this.mirroring.delete(node);
    const reign = this.current.get(node);
    if (reign === undefined) return;
    this.current.delete(node);
    reign.endedMs = nowMs;
    if (how === 'killed') return;
    const lost = reign.alone.size;
    if (lost > 0 && (admitted ?? 0) < lost) {
      this.fail(`${node} gave way and lost ${lost} acknowledged writes; it admitted ${admitted}`);
    }
  }

  /** One reign went on and this one, which had been used, gave way to it though nobody had used that one. */
  yielded(loser: Reign, winner: Reign): void {
    // Of two caches nobody can tell which one the clients want.
    if (loser.cache !== winner.cache) return;
    if (loser.alone.size > 0 && winner.writes === 0) {
      this.fail(
        `${loser.node} gave way with ${loser.alone.size} acknowledged writes to ${winner.node}, ` +
          `whose reign of epoch ${winner.epoch} nobody had used`,
      );
    }
  }

  sends(key: string, serial: number): void {
    this.sent.set(key, serial);
  }

  /** A write was acknowledged by a node, to a request that was sent at `sentMs`. */
  wrote(node: string, key: string, serial: number, sentMs: number, nowMs: number): void {
    const reign = this.answered(node, sentMs, nowMs);
    if (reign === null) return;
    reign.writes++;
    reign.acknowledged.set(key, serial);
    if (!reign.mirrored) reign.alone.set(key, serial);
  }

  /**
   * A read was answered. `floor`: what the reign of that node had acknowledged when the request was sent; `found` is
   * the value, 0 for none.
   */
  read(node: string, key: string, found: number, floor: number, sentMs: number, nowMs: number): void {
    const reign = this.answered(node, sentMs, nowMs);
    if (reign === null) return;
    if (found < floor) {
      this.fail(`a read of ${key} on ${node} found ${found}, ${floor} had been acknowledged`);
    }
    if (found > (this.sent.get(key) ?? 0)) {
      this.fail(`a read of ${key} on ${node} found ${found}, which nobody has sent`);
    }
  }

  /** What a reader on this node must find at least. */
  floorOf(node: string, key: string): number {
    return this.current.get(node)?.acknowledged.get(key) ?? 0;
  }

  /** An assertion of the simulator itself, or of a node. */
  fail(sentence: string): void {
    this.violations.push(`${this.nowMs.toFixed(1)} ms: ${sentence}`);
  }

  /** Judges that a node answered at all. Null when its reign has ended since: the answer was on its way. */
  private answered(node: string, sentMs: number, nowMs: number): Reign | null {
    this.nowMs = nowMs;
    this.answers++;
    const reign = this.current.get(node);
    if (reign === undefined || sentMs < reign.beganMs) return null;
    for (const other of this.current.values()) {
      if (other === reign || sentMs < other.beganMs) continue;
      const isHeir = other.parent === reign;
      if (isHeir && reign.mirrored) {
        this.fail(
          `${node} answered in epoch ${reign.epoch}, counting on ${other.node}, which reigns with ` +
            `epoch ${other.epoch} since ${other.beganMs.toFixed(1)} ms`,
        );
      }
      const togetherMs = this.contact.togetherMs(node, other.node);
      const besideMs = sentMs - Math.max(reign.beganMs, other.beganMs);
      if (Math.min(togetherMs, besideMs) > settleMs) {
        this.fail(
          `${node} (epoch ${reign.epoch}) and ${other.node} (epoch ${other.epoch}) both answer, and ` +
            `have heard each other for ${togetherMs.toFixed(0)} ms`,
        );
      }
    }
    return reign;
  }
}
