/**
 * Random requests of every text command, right and wrong, for the differential test. What is known to differ from
 * memcached 1.6.18 (docs/PROTOCOL.md) is left out here, each with its name.
 */
import fc from 'fast-check';

/** A request: text in which `{cas:KEY}` stands for the CAS id that the server showed last for this key. */
export type Request = string;

export const keys = ['a', 'b', 'c', 'n', 'k%25', 'x'.repeat(250)];
const key = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...keys) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(251), '\x80\xff', 'ä\t"', '-1', '0') },
);
/** Base64, right and wrong, without the blanks that `forgotten-base64` is about. */
const encodedKey = fc.constantFrom('YQ==', 'gIA=', 'YWJj', 'Yg==', 'YQ=', '====', 'a', '!!!!');

const numbers = ['0', '1', '2', '5', '9', '10', '99', '007', '+5', '1000', '4294967295'];
const oddNumbers = ['-1', '-5', '4294967296', '18446744073709551615', '18446744073709551616'];
const noNumbers = ['x', '', '1x', '1.5', '0x10', '--1', '9'.repeat(30), ' 3', '\t3', '2147483648'];
const number = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...numbers) },
  { weight: 3, arbitrary: fc.constantFrom(...oddNumbers) },
  { weight: 2, arbitrary: fc.constantFrom(...noNumbers) },
);
/** Far enough apart, and from now, that a second more or less does not matter. */
const exptime = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('0', '0', '100', '1000', '100000', '2592000') },
  { weight: 2, arbitrary: fc.constantFrom('-1', '-100', '2592001', '2000000000', '4000000000') },
  { weight: 1, arbitrary: fc.constantFrom('x', '', '1.5', '99999999999', '-99999999999', '+100') },
);
const value = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('', '0', '1', '99', '100', 'abc', '7 ', ' 8', '-3') },
  { weight: 2, arbitrary: fc.constantFrom('18446744073709551615', '18446744073709551616') },
  { weight: 2, arbitrary: fc.constantFrom('a\r\nget a\r\n', '\0\xff', 'y'.repeat(300)) },
);
const silence = fc.constantFrom('', '', '', '', ' noreply', ' noreply x', ' foo');
const space = fc.constantFrom(' ', ' ', ' ', ' ', ' ', ' ', '  ', '   ');
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r\r\n', ' \r\n');
/** What is wrong with a length, in bytes; mostly nothing. */
const off = fc.constantFrom(...new Array<number>(30).fill(0), 1, -1);
const cas: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: key.map((name) => `{cas:${name}}`) },
  { weight: 1, arbitrary: number },
);

const storage = fc
  .record({
    verb: fc.constantFrom('set', 'set', 'set', 'add', 'replace', 'append', 'prepend', 'cas', 'SET'),
    ...{ key, flags: number, exptime, value, off, cas, silence, space, lineEnd },
  })
  .map((one) => {
    const unique = one.verb === 'cas' ? ` ${one.cas}` : '';
    const length = Math.max(0, one.value.length + one.off);
    const head = [one.verb, one.key, one.flags, one.exptime, String(length)].join(one.space);
    return `${head}${unique}${one.silence}${one.lineEnd}${one.value}\r\n`;
  });

const retrieval = fc
  .record({
    verb: fc.constantFrom('get', 'gets', 'gets', 'gets', 'bget', 'gat', 'gats', 'Get'),
    keys: fc.array(key, { maxLength: 4 }),
    ...{ exptime, space, lineEnd },
  })
  .map(({ verb, keys: some, exptime: left, space: blank, lineEnd: end }) => {
    // `errors-change-nothing`: a key that is too long stands alone.
    const long = some.filter((name) => name.length > 250);
    const asked = long.length > 0 ? long.slice(0, 1) : some;
    const words = verb.startsWith('gat') ? [verb, left, ...asked] : [verb, ...asked];
    return words.join(blank) + end.replace('\r\r', '\r');
  });

const counting = fc
  .record({ verb: fc.constantFrom('incr', 'decr'), key, number, silence, lineEnd })
  .map((one) => `${one.verb} ${one.key} ${one.number}${one.silence}${one.lineEnd}`);

const removing = fc
  .record({
    key,
    words: fc.constantFrom(
      '',
      '',
      '',
      ' 0',
      ' 0 noreply',
      ' 1',
      ' noreply',
      ' x noreply',
      ' a b c',
    ),
    lineEnd,
  })
  .map((one) => `delete ${one.key}${one.words}${one.lineEnd}`);

const touching = fc
  .record({ key, exptime, silence, lineEnd })
  .map((one) => `touch ${one.key} ${one.exptime}${one.silence}${one.lineEnd}`);

const flushing = fc
  .record({
    // No delays: see `flushed-again` and `flush-second`.
    delay: fc.constantFrom('', '', ' 0', ' -1', ' x', ' 0 2'),
    silence,
    lineEnd,
  })
  .map((one) => `flush_all${one.delay}${one.silence}${one.lineEnd}`);

const odds = fc.constantFrom(
  ...[
    '\r\n',
    '\n',
    ' \r\n',
    'bogus\r\n',
    'get\r\n',
    'gets \r\n',
    'gat\r\n',
    'gat 10\r\n',
    'gats 0 \r\n',
  ],
  ...[
    'set\r\n',
    'set a\r\n',
    'set a 0 0\r\n',
    'incr a\r\n',
    'incr\r\n',
    'touch a\r\n',
    'delete\r\n',
  ],
  ...['verbosity\r\n', 'verbosity 0\r\n', 'verbosity x\r\n', 'verbosity noreply\r\n'],
  ...[
    'mg\r\n',
    'ms\r\n',
    'ms a\r\n',
    'md\r\n',
    'ma\r\n',
    'me\r\n',
    'mn x\r\n',
    'mx a\r\n',
    'm\r\n',
  ],
  ...['a\0b\r\n', 'get a\0b\r\n', '\tget a\r\n', 'get\ta\r\n', 'get a \r\n', '  get a\r\n'],
  ...['cas a 0 0 1\r\n', 'stats bogus\r\n', 'lru\r\n', 'slabs x y\r\n', 'lru_crawler x\r\n'],
  ...[
    'cache_memlimit x\r\n',
    'watch bogus\r\n',
    'shutdown\r\n',
    'refresh_certs\r\n',
    'extstore x\r\n',
  ],
);

/** A flag of a meta command, right or wrong. */
const token = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...'bcfhklqstuvPLI') },
  { weight: 4, arbitrary: fc.constantFrom('O', 'O1', 'Oabc', `O${'o'.repeat(30)}`) },
  { weight: 9, arbitrary: lettered('CC', cas) },
  { weight: 12, arbitrary: lettered('DJF', number) },
  { weight: 12, arbitrary: lettered('TN', exptime) },
  {
    weight: 4,
    arbitrary: lettered('R', fc.constantFrom('0', '30', '500', '50000', '-1', 'x', '')),
  },
  { weight: 8, arbitrary: lettered('M', fc.constantFrom(...'IDEAPRSS+-iX', '', 'IS')) },
  { weight: 1, arbitrary: fc.constantFrom('X', 'z', '!', '\x80', 'v1', 'kk') },
);

function lettered(letters: string, rest: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom(...letters), rest).map((parts) => parts.join(''));
}

/** Most lists have each letter once. */
const tokens = fc.oneof(
  {
    weight: 15,
    arbitrary: fc.uniqueArray(token, { maxLength: 8, selector: (one) => one[0] }),
  },
  { weight: 1, arbitrary: fc.array(token, { maxLength: 20 }) },
);

const meta = fc
  .record({ verb: fc.constantFrom('mg', 'mg', 'mg', 'ms', 'ms', 'ms', 'md', 'ma', 'ma'), tokens })
  .chain(({ verb, tokens: some }) =>
    fc.record({
      verb: fc.constant(verb),
      key: some.includes('b') ? encodedKey : key,
      tokens: fc.constant(withoutDifferences(verb, some)),
      ...{ value, off, space, lineEnd },
    }),
  )
  .map((one) => {
    if (one.verb !== 'ms') return [one.verb, one.key, ...one.tokens].join(one.space) + one.lineEnd;
    const length = String(Math.max(0, one.value.length + one.off));
    const head = [one.verb, one.key, length, ...one.tokens].join(one.space);
    return `${head}${one.lineEnd}${one.value}\r\n`;
  });

function withoutDifferences(verb: string, some: readonly string[]): readonly string[] {
  // `grown-number`
  if (verb === 'ma' && !some.includes('D0')) return some.filter((one) => !one.startsWith('T'));
  if (verb !== 'ms') return some;
  // `ms-size` and `ms-vivify`
  const adds = some.includes('MA') || some.includes('MP');
  return some.filter((one) => one !== 's' && !(adds && one.startsWith('N')));
}

const describing = fc
  .record({ key: fc.oneof(key, encodedKey), words: fc.constantFrom('', '', ' b', ' x') })
  .map((one) => `me ${one.key}${one.words}\r\n`);

/** `read-number`, `answers-before-an-error`, `pipelined-dump`: what must not stand in one packet with others. */
const alone = /^ *(?:mg|[bg]ets?|gats?) |x{250}|^watch/;

/** One request. */
const request: fc.Arbitrary<Request> = fc.oneof(
  { weight: 12, arbitrary: storage },
  { weight: 10, arbitrary: retrieval },
  { weight: 5, arbitrary: counting },
  { weight: 3, arbitrary: removing },
  { weight: 2, arbitrary: touching },
  { weight: 1, arbitrary: flushing },
  { weight: 2, arbitrary: odds },
  { weight: 30, arbitrary: meta },
  { weight: 3, arbitrary: describing },
);

/** What is sent at once: some requests, or one that stands alone. */
export const packet: fc.Arbitrary<Request> = fc
  .array(request, { minLength: 1, maxLength: 4 })
  .map((some) => (some.some((one) => alone.test(one)) ? some[0]! : some.join('')));
