/** Flags of who may come in, and how: -Y, -Z with -o ssl_…, -U, -W, -D. They are memcached's. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Settings, type TlsSettings, usage } from './options.js';

type Flags = Record<string, unknown>;
type NetworkSettings = Pick<
  Settings,
  'authFile' | 'udpPort' | 'tls' | 'watch' | 'prefixDelimiter' | 'detail'
>;

export function networkFlags(command: Command): Command {
  return command
    .option('-Y, --auth-file <file>', 'let in only the users of this file: user:password lines')
    .option('-Z, --enable-ssl', 'TLS, with -o ssl_chain_cert and ssl_key')
    .addOption(
      new Option('-o, --extended <words>', 'ssl_…=… with commas, or repeat')
        .argParser((text: string, before: string[]) => [...before, ...text.split(',')])
        .default([], 'none'),
    )
    .addOption(
      new Option('-U, --udp-port <num>', 'UDP port; -1: any free one; 0: none')
        .argParser(udpPort)
        .default(0),
    )
    .option('-W, --disable-watch', 'refuse watch')
    .option('-D, --prefix-delimiter <char>', 'count by key prefix, which this character ends');
}

export function networkSettings(flags: Flags): NetworkSettings {
  const delimiter = flags['prefixDelimiter'] as string | undefined;
  return {
    authFile: (flags['authFile'] as string | undefined) ?? null,
    udpPort: flags['udpPort'] as number,
    tls: flags['enableSsl'] === true ? tlsSettings(flags['extended'] as string[]) : null,
    watch: flags['disableWatch'] !== true,
    prefixDelimiter: delimiter?.charAt(0) ?? ':',
    detail: delimiter !== undefined,
  };
}

function tlsSettings(extended: readonly string[]): TlsSettings {
  const words = new Map(
    extended.map((word) => [nameOf(word), word.slice(nameOf(word).length + 1)]),
  );
  const text = (name: string): string | null => words.get(name) || null;
  const number = (name: string, fallback: number, most: number): number => {
    if (!words.has(name)) return fallback;
    const value = Number(words.get(name));
    if (Number.isInteger(value) && value >= 0 && value <= most) return value;
    throw usage(`Invalid ${name}. Use help to see valid options.`);
  };
  const needed = (name: string): string => {
    const value = text(name);
    if (value === null) throw usage(`-Z needs -o ${name}=FILE`);
    return value;
  };
  const settings = {
    chainCert: needed('ssl_chain_cert'),
    key: needed('ssl_key'),
    verifyMode: number('ssl_verify_mode', 0, 3),
    keyFormat: number('ssl_keyformat', 1, 2),
    ciphers: text('ssl_ciphers'),
    caCert: text('ssl_ca_cert'),
    writeBufferBytes: number('ssl_wbuf_size', 16, 1024 * 1024) * 1024,
    sessionCache: words.has('ssl_session_cache'),
    minVersion: number('ssl_min_version', 2, 3),
  };
  const known =
    /^ssl_(chain_cert|key|verify_mode|keyformat|ciphers|ca_cert|wbuf_size|session_cache|min_version)$/;
  for (const name of words.keys()) {
    if (!known.test(name)) throw usage(`-o ${name} is not known`);
  }
  return settings;
}

function nameOf(word: string): string {
  return word.split('=', 1)[0]!;
}

function udpPort(text: string): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= -1 && value <= 65535) return value;
  throw new InvalidArgumentError('It is a whole number from -1 to 65535.');
}
