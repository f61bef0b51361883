/** `-o`: from the texts that were given to the words they hold, checked against the table in words.ts. */
import { type Settings, type TlsSettings, tlsDefaults, usage } from '../options.js';
import { type Word, words } from './words.js';

/** What the words of all `-o` flags mean together. */
export interface Extended {
  readonly settings: Pick<Settings, 'refuseFast' | 'idleSeconds' | 'tuning'>;
  /** What `-Z` uses. */
  readonly tls: TlsSettings;
  /** One line for every word that does nothing here. */
  readonly remarks: readonly string[];
}

/** Reads the texts in order; later words win. Throws HotspareError for what is unknown, wrong or refused. */
export function extended(texts: readonly string[]): Extended {
  const given = texts.filter((text) => text !== '').flatMap((text) => text.split(','));
  const values = new Map<string, string>();
  const tuning = new Map<string, string>();
  const remarks: string[] = [];
  let refuseFast = true;
  for (const text of given) {
    const { name, value, word } = parse(text);
    values.set(name, value ?? '');
    if (name === 'maxconns_fast') refuseFast = true;
    if (name === 'no_maxconns_fast' || name === 'no_modern') refuseFast = false;
    if (word.shown !== undefined && value !== null) tuning.set(word.shown[0], word.shown[1](value));
    const says = word.kind === 'tuning' || name === 'no_modern';
    if (says) remarks.push(`-o ${text}: ${word.sentence}`);
  }
  checkShares(values);
  const idleSeconds = Number(values.get('idle_timeout') ?? 0);
  return { settings: { refuseFast, idleSeconds, tuning }, tls: tlsOf(values), remarks };
}

function parse(text: string): { name: string; value: string | null; word: Word } {
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

function checkShares(values: ReadonlyMap<string, string>): void {
  const hot = Number(values.get('hot_lru_pct') ?? 20);
  const warm = Number(values.get('warm_lru_pct') ?? 40);
  if (hot + warm <= 80) return;
  const sentence = 'hot_lru_pct + warm_lru_pct cannot be more than 80% combined';
  throw usage(`-o hot_lru_pct=${hot},warm_lru_pct=${warm}: ${sentence}`, 'lower one of them');
}

function tlsOf(values: ReadonlyMap<string, string>): TlsSettings {
  const number = (name: string, otherwise: number): number =>
    values.has(name) ? Number(values.get(name)) : otherwise;
  return {
    chainCertificate: values.get('ssl_chain_cert') ?? null,
    key: values.get('ssl_key') ?? null,
    authorities: values.get('ssl_ca_cert') ?? null,
    keyFormat: number('ssl_keyformat', tlsDefaults.keyFormat),
    verifyMode: number('ssl_verify_mode', tlsDefaults.verifyMode),
    ciphers: values.get('ssl_ciphers') ?? null,
    outputBytes: number('ssl_wbuf_size', tlsDefaults.outputBytes / 1024) * 1024,
    sessionCache: values.has('ssl_session_cache'),
    kernelTls: values.has('ssl_kernel_tls'),
    minVersion: number('ssl_min_version', tlsDefaults.minVersion),
  };
}
