/**
 * Commands for administrators of the cache: slabs, lru, lru_crawler, cache_memlimit, and the topics of `stats` that
 * look at every item. The words are memcached's. Their settings are in Upkeep; settings of parts that hotspare does not
 * have are only remembered (docs/PROTOCOL.md).
 */

import { classesRegularMax } from '../base/limits.js';
import { lines } from '../protocol/reply.js';
import type { SlabClass } from '../store/slab-class.js';
import type { Store } from '../store/store.js';
import type { Automove, Upkeep } from '../store/upkeep.js';
import { CacheDump, type Dump, MetaDump, MetaGetDump, type Reader, SizesDump } from './dumping.js';
import type { CommandParts, Exchange } from './execution/exchange.js';
import { Outcome } from './execution/request.js';

const memoryMebibytesLeast = 8;
const crawlerSleepMicrosMost = 1_000_000;
/** Most percent that hot and warm may have together. */
const segmentPercentsMost = 80;

export class Administration {
  /** False with `-X`. */
  mayDump = true;
  /** `lru_crawler sleep`: microseconds between two slices of a walk. */
  crawlerSleepMicros = 100;
  /** The settings of `lru`. Eviction here has no such segments, so they are only remembered, for `stats settings`. */
  readonly lruWords = {
    segmented: true,
    hotPercent: 20,
    warmPercent: 40,
    hotFactor: 0.2,
    warmFactor: 2,
    temporary: false,
    temporarySeconds: 61,
  };
  private readonly exchange: Exchange;
  private readonly store: Store;
  private readonly upkeep: Upkeep;
  /** Newest CAS id when `stats sizes` was enabled; null while it is disabled. */
  private sizesSinceCas: number | null = null;

  constructor({ exchange, store }: Pick<CommandParts, 'exchange' | 'store'>, upkeep: Upkeep) {
    this.exchange = exchange;
    this.store = store;
    this.upkeep = upkeep;
  }

  /** Takes over the settings of `-o` for `lru`, under the keys of `stats settings`. */
  remember(tuning: ReadonlyMap<string, string>): void {
    const { lruWords } = this;
    const number = (key: string, otherwise: number) => Number(tuning.get(key) ?? otherwise);
    lruWords.hotPercent = number('hot_lru_pct', lruWords.hotPercent);
    lruWords.warmPercent = number('warm_lru_pct', lruWords.warmPercent);
    lruWords.hotFactor = number('hot_max_factor', lruWords.hotFactor);
    lruWords.warmFactor = number('warm_max_factor', lruWords.warmFactor);
    lruWords.temporary = tuning.has('temporary_ttl');
    lruWords.temporarySeconds = number('temporary_ttl', lruWords.temporarySeconds);
  }

  slabs(): number {
    const { exchange } = this;
    const { line } = exchange;
    const verb = line.text(1);
    if (verb === 'reassign' && line.count === 4) return this.reassign();
    if (verb !== 'automove') return exchange.say(lines.error);
    exchange.begin(2);
    if (line.text(2) === 'ratio') {
      const ratio = line.count > 3 ? realOf(line.text(3)) : Number.NaN;
      if (Number.isNaN(ratio)) return exchange.say(lines.error);
      this.upkeep.balancer.ratio = ratio;
      return exchange.say(lines.ok);
    }
    const mode = this.unsigned32(2);
    if (mode === null) return exchange.say(lines.badFormat);
    if (mode > 2) return exchange.say(lines.error);
    this.upkeep.automove = mode as Automove;
    return exchange.say(lines.ok);
  }

  lru(): number {
    const { exchange, lruWords } = this;
    const { line } = exchange;
    const rest = Array.from({ length: line.count - 2 }, (_, i) => line.text(i + 2));
    const [first] = rest;
    switch (line.text(1)) {
      case 'mode':
        if (first !== 'flat' && first !== 'segmented') break;
        lruWords.segmented = first === 'segmented';
        return exchange.say(lines.ok);
      case 'tune':
        return rest.length < 4 ? exchange.say(lines.error) : this.tune(rest);
      case 'temp_ttl':
        if (first === undefined || !exchange.readInteger(2)) break;
        lruWords.temporary = exchange.decimal.toInt32() >= 0;
        if (lruWords.temporary) lruWords.temporarySeconds = exchange.decimal.toInt32();
        return exchange.say(lines.ok);
      default:
    }
    return exchange.say(lines.error);
  }

  /** `answered`: this reader has answers that have not left yet. */
  lruCrawler(reader: Reader, answered: boolean): number {
    const { exchange, upkeep } = this;
    const { line } = exchange;
    const { crawler } = upkeep;
    const verb = line.text(1);
    if (line.count === 2) {
      if (verb === 'enable') {
        if (crawler.enabled) return this.answer('ERROR failed to start lru crawler thread');
        crawler.enabled = true;
        return exchange.say(lines.ok);
      }
      if (verb !== 'disable') return exchange.say(lines.error);
      crawler.enabled = false;
      crawler.stop();
      return exchange.say(lines.ok);
    }
    switch (verb) {
      case 'crawl':
        return this.crawl(line.text(2));
      case 'metadump':
        return this.metadump(line.text(2), reader, answered);
      case 'mgdump':
        return this.mgdump(line.text(2), reader, answered);
      case 'sleep': {
        const micros = this.unsigned32(2);
        if (micros === null) return exchange.say(lines.badFormat);
        if (micros > crawlerSleepMicrosMost) {
          return this.answer('CLIENT_ERROR sleep must be one second or less');
        }
        this.crawlerSleepMicros = micros;
        return exchange.say(lines.ok);
      }
      case 'tocrawl': {
        const items = this.unsigned32(2);
        if (items === null) return exchange.say(lines.badFormat);
        crawler.itemsMost = items;
        return exchange.say(lines.ok);
      }
      default:
        return exchange.say(lines.error);
    }
  }

  /** The region keeps the size it was made with, so only that limit can be set. */
  memoryLimit(): number {
    const { exchange } = this;
    const mebibytes = this.unsigned32(1);
    if (mebibytes === null) {
      const silent = exchange.line.count === 2 && exchange.quiet;
      return silent ? Outcome.DONE : exchange.say(lines.error);
    }
    if (mebibytes < memoryMebibytesLeast) {
      return this.answer('MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m');
    }
    if (mebibytes >= 2 ** 30) {
      return this.answer('MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes');
    }
    const { pageBytes, pageCount } = this.store.region.geometry;
    if (mebibytes === (pageBytes * pageCount) / 2 ** 20) return exchange.say(lines.ok);
    return this.answer('MEMLIMIT_ADJUST_FAILED the memory is mirrored as it was made: restart');
  }

  /** The topics of `stats` that look at every item; null when `topic` is another. */
  stats(topic: string, reader: Reader): number | null {
    const { exchange, store } = this;
    switch (topic) {
      case 'sizes':
        if (this.sizesSinceCas !== null) {
          return this.begin(new SizesDump(store, this.sizesSinceCas), reader);
        }
        exchange.output.text('STAT sizes_status disabled\r\n');
        return exchange.say(lines.end);
      case 'sizes_enable':
        this.sizesSinceCas ??= store.casLast;
        return this.answer('STAT sizes_status enabled');
      case 'sizes_disable':
        this.sizesSinceCas = null;
        return this.answer('STAT sizes_status disabled');
      case 'cachedump':
        return this.cachedump(reader);
      default:
        return null;
    }
  }

  private reassign(): number {
    const { exchange, store, upkeep } = this;
    if (!upkeep.reassigns) return this.answer('CLIENT_ERROR slab reassignment disabled');
    if (!exchange.readInteger(2)) return exchange.say(lines.badFormat);
    const given = exchange.decimal.toInt32();
    if (!exchange.readInteger(3)) return exchange.say(lines.badFormat);
    const to = exchange.decimal.toInt32();
    const { slabs, mover } = store;
    if (mover.isRunning) return this.answer('BUSY currently processing reassign request');
    if (given === to) return this.answer('SAME src and dst class are identical');
    const most = slabs.classes.length - 1;
    // -1 stands for any class that can spare a page.
    const any = given === -1 && to > 0 && to <= most;
    const from = any ? (upkeep.balancer.donorFor(slabs.classes[to]!)?.number ?? -1) : given;
    if (Math.min(from, to) < 0 || Math.max(from, to) > most) {
      return this.answer('BADCLASS invalid src or dst class id');
    }
    const target = to === 0 ? null : slabs.classes[to]!;
    if (from === 0 ? slabs.pooledPages === 0 : slabs.classes[from]!.pages.length < 2) {
      return this.answer('NOSPARE source class has no spare pages');
    }
    return this.move(from === 0 ? null : slabs.classes[from]!, target);
  }

  /** Begins to move a page; null stands for the pages that have no class. */
  private move(from: SlabClass | null, to: SlabClass | null): number {
    const { slabs, mover } = this.store;
    if (from === null) {
      slabs.grant(to!);
      mover.moved++;
    } else if (!this.upkeep.reassign(from, to)) {
      return this.answer('BUSY currently processing reassign request');
    }
    return this.exchange.say(lines.ok);
  }

  private tune(rest: readonly string[]): number {
    const { exchange, lruWords } = this;
    const percents = [this.unsigned32(2), this.unsigned32(3)];
    const factors = [realOf(rest[2]!), realOf(rest[3]!)];
    const [hot, warm] = percents;
    if (hot === null || warm === null || factors.some(Number.isNaN)) {
      return exchange.say(lines.error);
    }
    if (hot! + warm! > segmentPercentsMost) {
      return this.answer(`ERROR hot and warm pcts must not exceed ${segmentPercentsMost}`);
    }
    if (factors.some((factor) => factor <= 0)) {
      return this.answer('ERROR hot/warm age factors must be greater than 0');
    }
    [lruWords.hotPercent, lruWords.warmPercent] = [hot!, warm!];
    [lruWords.hotFactor, lruWords.warmFactor] = [factors[0]!, factors[1]!];
    return exchange.say(lines.ok);
  }

  private crawl(text: string): number {
    const { crawler } = this.upkeep;
    if (!crawler.enabled) return this.answer('CLIENT_ERROR lru crawler disabled');
    if (text === 'hash') return this.answer('ERROR an unknown error happened');
    const classes = this.classes(text);
    if (classes === null) return this.answer('BADCLASS invalid class id');
    if (classes.length === 0) return this.answer('NOTSTARTED no items to crawl');
    this.upkeep.crawl(classes);
    return this.exchange.say(lines.ok);
  }

  private metadump(text: string, reader: Reader, answered: boolean): number {
    if (!this.upkeep.crawler.enabled) return this.answer('CLIENT_ERROR lru crawler disabled');
    if (!this.mayDump) return this.answer('ERROR metadump not allowed');
    if (answered) {
      return this.answer('ERROR cannot pipeline other commands before metadump');
    }
    const classes = this.dumpedClasses(text);
    if (classes === null) return this.answer('BADCLASS invalid class id');
    return this.begin(new MetaDump(this.store, classes), reader);
  }

  private mgdump(text: string, reader: Reader, answered: boolean): number {
    if (!this.upkeep.crawler.enabled) return this.answer('CLIENT_ERROR lru crawler disabled');
    if (!this.mayDump) return this.answer('ERROR key dump not allowed');
    if (answered) return this.answer('ERROR cannot pipeline other commands before mgdump');
    const classes = this.dumpedClasses(text);
    if (classes === null) return this.answer('BADCLASS invalid class id');
    return this.begin(new MetaGetDump(this.store, classes), reader);
  }

  private dumpedClasses(text: string): ReadonlySet<number> | null {
    const classes = this.classes(text === 'hash' ? 'all' : text);
    return classes === null ? null : new Set(classes);
  }

  private cachedump(reader: Reader): number {
    const { exchange } = this;
    if (!this.mayDump) return this.answer('CLIENT_ERROR stats cachedump not allowed');
    if (exchange.line.count < 4) return this.answer('CLIENT_ERROR bad command line');
    const slabClass = this.unsigned32(2);
    const itemsMost = this.unsigned32(3);
    if (slabClass === null || itemsMost === null) return exchange.say(lines.badFormat);
    if (slabClass > this.classMost) return this.answer('CLIENT_ERROR Illegal slab id');
    return this.begin(new CacheDump(this.store, slabClass, itemsMost), reader);
  }

  private begin(dump: Dump, reader: Reader): number {
    reader.dump = dump;
    return Outcome.DUMP;
  }

  /** memcached has 63 classes; there are more here where -I is large. */
  private get classMost(): number {
    return Math.max(classesRegularMax, this.store.slabs.classes.length - 1);
  }

  /** `all`, or numbers with commas; null when one of them names no class. */
  private classes(text: string): number[] | null {
    const most = this.classMost;
    if (text === 'all') return Array.from({ length: most }, (_, i) => i + 1);
    const numbers = text.split(',').filter((word) => word !== '');
    const classes = numbers.map((word) => (/^\+?\d+$/.test(word) ? Number(word) : 0));
    return classes.every((number) => number >= 1 && number <= most) ? classes : null;
  }

  /** A token as memcached's safe_strtoul reads it into 32 bits; null when it is not a number. */
  private unsigned32(token: number): number | null {
    return this.exchange.readUnsigned(token) ? this.exchange.decimal.low >>> 0 : null;
  }

  private answer(text: string): number {
    const { exchange } = this;
    if (!exchange.quiet) exchange.output.text(`${text}\r\n`);
    return Outcome.DONE;
  }
}

/** A number with a fraction as strtod reads it; NaN when the text is not a number. */
function realOf(text: string): number {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
}
