/** `-o`: reads the texts that were given as words, checked against the table in extended-words.ts. */

import { type ExtendedWord, words } from './extended-words.js';
import { defaults, type Settings, type TlsSettings, usage } from './settings.js';

/** memcached's defaults: PEM, 16 KiB, TLS 1.2. */
const tlsKeyFormat = 1;
const tlsBufferKibibytes = 16;
const tlsVersion = 2;

/** The settings that the words of all `-o` flags make together. */
export interface Extended {
  readonly settings: Pick<
    Settings,
    | 'refuseFast'
    | 'idleSeconds'
    | 'slabReassign'
    | 'slabAutomove'
    | 'slabAutomoveRatio'
    | 'slabAutomoveWindow'
    | 'lruCrawler'
    | 'lruCrawlerSleepMicros'
    | 'lruCrawlerTocrawl'
    | 'tuning'
  >;
  /** The settings of `-Z`. Throws HotspareError when a word it needs is missing. */
  readonly tls: () => TlsSettings;
  /** A line for every word that does nothing here. */
  readonly remarks: readonly string[];
}

/** The given words and their values, by name; the value is empty where none was given. */
type Given = ReadonlyMap<string, string>;

/** Reads the texts in order; later words win. Throws HotspareError for a word that is unknown, wrong or refused. */
export function extended(texts: readonly string[]): Extended {
  const all = texts.filter((text) => text !== '').flatMap((text) => text.split(','));
  const given = new Map<string, string>();
  const tuning = new Map<string, string>();
  const remarks: string[] = [];
  for (const text of all) {
    const { name, value, word } = parse(text);
    // The map keeps the order of the words, which decides between a word and its opposite: so a repeated word moves to
    // the end.
    given.delete(name);
    given.set(name, value ?? '');
    if (word.shown !== undefined && value !== null) tuning.set(word.shown[0], word.shown[1](value));
    if (word.kind === 'tuning' || name === 'no_modern') {
      remarks.push(`-o ${text}: ${word.sentence}`);
    }
  }
  checkShares(given);
  const names = [...given.keys()];
  const on = (name: string, ...opposites: string[]): boolean =>
    Math.max(...opposites.map((one) => names.lastIndexOf(one))) <= names.lastIndexOf(name);
  const settings = {
    refuseFast: on('maxconns_fast', 'no_maxconns_fast', 'no_modern'),
    idleSeconds: numberOf(given, 'idle_timeout', 0),
    slabReassign: on('slab_reassign', 'no_slab_reassign'),
    slabAutomove: automove(given, on('slab_automove', 'no_slab_automove')),
    slabAutomoveRatio: numberOf(given, 'slab_automove_ratio', defaults.slabAutomoveRatio),
    slabAutomoveWindow: numberOf(given, 'slab_automove_window', defaults.slabAutomoveWindow),
    lruCrawler: on('lru_crawler', 'no_lru_crawler'),
    lruCrawlerSleepMicros: numberOf(given, 'lru_crawler_sleep', defaults.lruCrawlerSleepMicros),
    lruCrawlerTocrawl: numberOf(given, 'lru_crawler_tocrawl', defaults.lruCrawlerTocrawl),
    tuning,
  };
  return { settings, tls: () => tlsOf(given), remarks };
}

function automove(given: Given, on: boolean): 0 | 1 | 2 {
  return on ? (numberOf(given, 'slab_automove', defaults.slabAutomove) as 0 | 1 | 2) : 0;
}

/** The number given with a word; `otherwise` where none was given. */
function numberOf(given: Given, name: string, otherwise: number): number {
  const text = given.get(name) ?? '';
  return text === '' ? otherwise : Number(text);
}

function parse(text: string): { name: string; value: string | null; word: ExtendedWord } {
  const at = text.indexOf('=');
  const name = at < 0 ? text : text.slice(0, at);
  const value = at < 0 ? null : text.slice(at + 1);
  if (!Object.hasOwn(words, name)) {
    throw usage(`-o ${text}: Illegal suboption "${text}"`, 'docs/OPERATING.md lists the words');
  }
  const word = words[name]!;
  const wrong = word.check(value);
  if (wrong !== null) throw usage(`-o ${text}: ${wrong}`, 'docs/OPERATING.md lists the words');
  if (word.kind === 'refused') throw usage(`-o ${text}: ${word.sentence}`, word.remedy);
  return { name, value, word };
}

function checkShares(given: Given): void {
  const hot = numberOf(given, 'hot_lru_pct', 20);
  const warm = numberOf(given, 'warm_lru_pct', 40);
  if (hot + warm <= 80) return;
  const sentence = 'hot_lru_pct + warm_lru_pct cannot be more than 80% combined';
  throw usage(`-o hot_lru_pct=${hot},warm_lru_pct=${warm}: ${sentence}`, 'lower one of them');
}

function tlsOf(given: Given): TlsSettings {
  const needed = (name: string): string => {
    const value = given.get(name);
    if (value === undefined) throw usage(`-Z needs -o ${name}=FILE`, 'name the file');
    return value;
  };
  return {
    chainCert: needed('ssl_chain_cert'),
    key: needed('ssl_key'),
    verifyMode: numberOf(given, 'ssl_verify_mode', 0),
    keyFormat: numberOf(given, 'ssl_keyformat', tlsKeyFormat),
    ciphers: given.get('ssl_ciphers') ?? null,
    caCert: given.get('ssl_ca_cert') ?? null,
    writeBufferBytes: numberOf(given, 'ssl_wbuf_size', tlsBufferKibibytes) * 1024,
    sessionCache: given.has('ssl_session_cache'),
    minVersion: numberOf(given, 'ssl_min_version', tlsVersion),
  };
}
