/**
 * Judges a history of several nodes: the answers to clients, when each node began to reign and with which values in its
 * memory, and which nodes could reach each other. It shares nothing with the nodes. Pure: it is told all events, in
 * order.
 *
 * A *reign* is one stretch of serving by one node. It continues the cache of its *parent*: the reign that the node was
 * in sync with when it took over, or the reign whose memory file it opened. A key has one writer, which writes a larger
 * serial number each time, and never uses the key again when an answer does not come. The state of a key is therefore a
 * number, and each reign knows the newest number that was acknowledged in it or in the reigns before it.
 */

/** One stretch of serving by one node. */
export interface Reign {
  readonly node: string;
  readonly epoch: number;
  readonly cache: string;
  readonly parent: Reign | null;
  /** The node has started with a cache of its own, and taken over from no node. */
  readonly isOwn: boolean;
  readonly beganMs: number;
  /** Newest acknowledged serial, by key, in this reign or before it. */
  readonly acknowledged: Map<string, number>;
  /** Serials in the memory when the reign began; their acknowledgements may reach clients later. */
  readonly inherited: ReadonlyMap<string, number>;
  /** Serials acknowledged in this reign since a standby of it was last in sync, by key; they are on one node only. */
  alone: Map<string, number[]>;
  /** The nodes that are in sync as its standbys, so that every write is on them as well. */
  readonly standbys: Set<string>;
  /** Writes that clients have requested of it. */
  asked: number;
  endedMs: number | null;
  /** When the way to each other node was last cut before this reign ended. */
  cutsAtEnd: ReadonlyMap<string, number>;
}

/** Which nodes can hear each other, now and lately. */
export interface Contact {
  /** How long the listener could have heard the speaker, which was running, up to now; in ms. */
  heardMs(speaker: string, listener: string): number;
  /** How long both nodes have been running and able to reach each other, up to now; in ms. */
  togetherMs(one: string, other: string): number;
  /** When the network between this node and each other was last cut, in ms of true time. */
  cutsOf(node: string): ReadonlyMap<string, number>;
}

/** The values in the memory of a standby that is in sync; null where there is none. */
export type CopyOf = (node: string) => ReadonlyMap<string, number> | null;

/** Of so many acknowledged writes one is looked for in the standby's memory. */
const writesPerLook = 8;

/** How long two reigns may go on beside each other once they can reach each other: enough for a knock and a hello. */
export const settleMs = 2500;

/** For so long an heir that stood still in its takeover waits for the word of its old primary. */
const oldComesMs = 2500;

/** A node that starts hears of a reigning node within this time; the program listens a little longer. */
const challengedMs = 900;

export class Checker {
  /** When a process has ended last. */
  private lastDeathMs = -1;
  /** The violations found; the first is the one to look at. */
  readonly violations: string[] = [];
  readonly reigns: Reign[] = [];
  takeovers = 0;
  answers = 0;
  private readonly contact: Contact;
  private readonly needlessMs: number;
  private readonly copyOf: CopyOf;
  private writes = 0;
  private readonly current = new Map<string, Reign>();
  /** The newest serial that each writer has sent, by key, which no value may exceed. */
  private readonly sent = new Map<string, number>();
  private nowMs = 0;
  /** Writes that clients have sent to a node that does not answer yet. */
  private readonly waiting = new Map<string, number>();
  /** The standbys in sync of each node, even before that node serves. */
  private readonly standbys = new Map<string, Set<string>>();

  /** `needlessMs`: a node that takes over has no reason to, if the old primary could be heard for this long. */
  constructor(contact: Contact, needlessMs: number, copyOf: CopyOf) {
    this.contact = contact;
    this.copyOf = copyOf;
    this.needlessMs = needlessMs;
  }

  /** The reign of a serving node, or null. */
  reignOf(node: string): Reign | null {
    return this.current.get(node) ?? null;
  }

  /**
   * A node begins to serve. `values` is the content of its memory; `parent` the reign that it continues, or null.
   */
  begins(
    node: string,
    { epoch, cache, parent, isOwn }: Pick<Reign, 'epoch' | 'cache' | 'parent' | 'isOwn'>,
    values: ReadonlyMap<string, number>,
    nowMs: number,
  ): void {
    this.nowMs = nowMs;
    const acknowledged = new Map(parent?.acknowledged ?? []);
    if (parent !== null) {
      if (parent.node !== node) this.takeovers++;
      for (const [key, serial] of acknowledged) {
        const found = values.get(key) ?? 0;
        if (found >= serial) continue;
        if (this.isApart(node, parent, key)) {
          acknowledged.set(key, found);
          continue;
        }
        this.fail(
          `${node} begins epoch ${epoch} without an acknowledged write: ${key} is ${found}, ` +
            `${parent.node} acknowledged ${serial} in epoch ${parent.epoch}`,
        );
      }
    }
    this.judgeBeginning(node, epoch, parent, isOwn);
    for (const [key, found] of values) {
      const sent = this.sent.get(key) ?? 0;
      if (found > sent) this.fail(`${node} holds ${key} = ${found}, which nobody has sent`);
    }
    const reign: Reign = {
      node,
      epoch,
      cache,
      parent,
      isOwn,
      beganMs: nowMs,
      acknowledged,
      inherited: values,
      alone: new Map(),
      standbys: this.standbysOf(node),
      asked: this.waiting.get(node) ?? 0,
      endedMs: null,
      cutsAtEnd: new Map(),
    };
    this.waiting.delete(node);
    this.current.set(node, reign);
    this.reigns.push(reign);
  }

  /**
   * The parent acknowledged this alone, behind a cut that had not ended long before, so that both could answer until
   * they meet; or it died before they met, and what only it had is lost with it.
   */
  private isApart(node: string, parent: Reign, key: string): boolean {
    if (parent.node === node || !parent.alone.has(key)) return false;
    const cuts = parent.endedMs === null ? this.contact.cutsOf(parent.node) : parent.cutsAtEnd;
    const cutMs = cuts.get(node);
    return cutMs !== undefined && (parent.endedMs ?? this.nowMs) - cutMs < settleMs;
  }

  /** A running node gives the cache up for lost. */
  loses(node: string): void {
    // The reign that was deposed, and the one that deposed it.
    const sinceMs = Math.min(...this.reigns.slice(-2).map(({ beganMs }) => beganMs));
    if (this.reigns.length === 0 || this.lastDeathMs >= sinceMs) return;
    this.fail(`${node} begins anew, and no process has ended since the last reign began`);
  }

  /**
   * An heir that stood still in its takeover gives up its copy. Where its old primary could not come to say that it
   * yields, as it stood still itself or there is no link port to come to (null), the copy is lost as by a death
   * (docs/decisions/late-heir.md).
   */
  givesUp(node: string, old: string | null, nowMs: number): void {
    const isHeard = old !== null && this.contact.togetherMs(node, old) > oldComesMs;
    if (!isHeard) this.lastDeathMs = nowMs;
  }

  /** A process ends, of itself or killed, and its memory is gone. */
  dies(nowMs: number): void {
    this.lastDeathMs = nowMs;
  }

  /** Judges whether this node may reign: no other node may reign that it could have heard of. */
  private judgeBeginning(node: string, epoch: number, parent: Reign | null, isOwn: boolean): void {
    for (const other of this.current.values()) {
      if (other.node === node) continue;
      const besideMs = Math.min(
        this.contact.togetherMs(node, other.node),
        this.nowMs - other.beganMs,
      );
      if (isOwn && besideMs > challengedMs) {
        this.fail(
          `${node} begins epoch ${epoch} with a cache of its own, and could hear ${other.node}, which ` +
            `reigns, for ${besideMs.toFixed(0)} ms`,
        );
      }
      const heardMs = this.contact.heardMs(other.node, node);
      if (parent === other && heardMs > this.needlessMs) {
        this.fail(
          `${node} takes over from ${other.node}, which lives, and could be heard for ${heardMs.toFixed(0)} ms`,
        );
      }
    }
  }

  /** A standby of this node is in sync, or (`isInSync` false) it is no more, and will not take over. */
  mirrors(node: string, standby: string, isInSync: boolean): void {
    const standbys = this.standbysOf(node);
    if (!isInSync) standbys.delete(standby);
    else standbys.add(standby);
    const reign = this.current.get(node);
    if (reign !== undefined && isInSync) reign.alone = new Map();
  }

  private standbysOf(node: string): Set<string> {
    const known = this.standbys.get(node) ?? new Set();
    this.standbys.set(node, known);
    return known;
  }

  /**
   * A node gave way to another reign, which may be unknown. `admitted`: the number of changes that it reported as lost.
   */
  givesWay(node: string, winner: Reign | null, admitted: number, nowMs: number): void {
    const reign = this.ends(node, nowMs);
    if (reign === null) return;
    const has = (key: string): number =>
      Math.max(winner?.acknowledged.get(key) ?? 0, winner?.inherited.get(key) ?? 0);
    const lost = [...reign.alone].reduce(
      (sum, [key, serials]) => sum + serials.filter((serial) => has(key) < serial).length,
      0,
    );
    if (lost > admitted) {
      this.fail(`${node} gave way and lost ${lost} acknowledged writes; it admitted ${admitted}`);
    }
    if (lost > 0 && winner !== null && this.wasHeardOf(reign, winner)) {
      this.fail(
        `${node} began with a cache of its own and lost ${lost} acknowledged writes to ${winner.node}, which ` +
          'reigned before, and could have been heard before the first answer',
      );
    }
    // Between two caches nobody can tell which one the clients want.
    if (lost > 0 && winner !== null && winner.cache === reign.cache && winner.asked === 0) {
      this.fail(
        `${node} gave way with ${lost} acknowledged writes to ${winner.node}, whose reign of epoch ` +
          `${winner.epoch} nobody had used`,
      );
    }
  }

  /** A node that listened before it answered must have heard of this reign. */
  private wasHeardOf({ node, isOwn, beganMs }: Reign, other: Reign): boolean {
    const clearMs = Math.min(
      this.contact.heardMs(other.node, node),
      this.nowMs - (this.contact.cutsOf(node).get(other.node) ?? 0),
      this.nowMs - other.beganMs,
    );
    return isOwn && clearMs > this.nowMs - beganMs + challengedMs;
  }

  /** A node serves no longer. Returns its reign. */
  ends(node: string, nowMs: number): Reign | null {
    this.nowMs = nowMs;
    this.waiting.delete(node);
    this.standbys.delete(node);
    const reign = this.current.get(node);
    if (reign === undefined) return null;
    this.current.delete(node);
    reign.endedMs = nowMs;
    reign.cutsAtEnd = this.contact.cutsOf(node);
    return reign;
  }

  /** A writer sends a write to a node. */
  sends(node: string, key: string, serial: number): void {
    this.sent.set(key, serial);
    const reign = this.current.get(node);
    if (reign !== undefined) reign.asked++;
    else this.waiting.set(node, (this.waiting.get(node) ?? 0) + 1);
  }

  /** A node acknowledged a write, whose request was sent at `sentMs`. */
  wrote(node: string, key: string, serial: number, sentMs: number, nowMs: number): void {
    const reign = this.answered(node, sentMs, nowMs);
    if (reign === null) return;
    reign.acknowledged.set(key, serial);
    for (const standby of reign.standbys) this.judgeCopy(standby, key, serial);
    if (reign.standbys.size > 0) return;
    const serials = reign.alone.get(key);
    if (serials === undefined) reign.alone.set(key, [serial]);
    else serials.push(serial);
  }

  /** No reply before its bytes: an acknowledged write is in the memory of each standby that the primary counts on. */
  private judgeCopy(standby: string, key: string, serial: number): void {
    this.writes++;
    if (this.writes % writesPerLook !== 0) return;
    const copy = this.copyOf(standby);
    const found = copy?.get(key) ?? 0;
    if (copy !== null && found < serial) {
      this.fail(`${key} = ${serial} is acknowledged, and the copy of ${standby} holds ${found}`);
    }
  }

  /**
   * A read was answered. `floor`: the newest serial that the node's reign had acknowledged when the request was sent;
   * `found`: the value, 0 for none.
   */
  read(
    node: string,
    key: string,
    found: number,
    floor: number,
    sentMs: number,
    nowMs: number,
  ): void {
    const reign = this.answered(node, sentMs, nowMs);
    if (reign === null) return;
    if (found < floor) {
      this.fail(`a read of ${key} on ${node} found ${found}, ${floor} had been acknowledged`);
    }
    if (found > (this.sent.get(key) ?? 0)) {
      this.fail(`a read of ${key} on ${node} found ${found}, which nobody has sent`);
    }
  }

  /** The least serial that a read on this node must find. */
  floorOf(node: string, key: string): number {
    return this.current.get(node)?.acknowledged.get(key) ?? 0;
  }

  /** Reports an assertion of the simulator itself, or of a node. */
  fail(sentence: string): void {
    this.violations.push(`${this.nowMs.toFixed(1)} ms: ${sentence}`);
  }

  /** Judges that a node answered at all. Null when its reign has ended since, as the answer was on its way then. */
  private answered(node: string, sentMs: number, nowMs: number): Reign | null {
    this.nowMs = nowMs;
    this.answers++;
    const reign = this.current.get(node);
    if (reign === undefined || sentMs < reign.beganMs) return null;
    for (const other of this.current.values()) {
      if (other === reign || sentMs < other.beganMs) continue;
      if (other.parent === reign && reign.standbys.has(other.node)) {
        this.fail(
          `${node} answered in epoch ${reign.epoch}, counting on ${other.node}, which reigns with ` +
            `epoch ${other.epoch} since ${other.beganMs.toFixed(1)} ms`,
        );
      }
      // Between two caches nobody can tell which one the clients want (FAILOVER.md).
      if (other.cache !== reign.cache && other.epoch === reign.epoch) continue;
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
