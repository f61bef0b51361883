/**
 * What the fuzzer sends: valid commands with the number of answers they must get, and commands spoilt in every
 * way that a broken client, a port scanner or an attacker would think of.
 *
 * Nothing here flushes or fills the cache: the sentinel's items must stay, whatever is sent beside it.
 */
import type { Random } from './random.js';

export interface Command {
  readonly sent: string;
  /** How many lines end an answer: none with noreply, else one. */
  readonly answers: number;
}

const KEYS = 48;
const LARGE_KEYS = 4;
const VALUE_BYTES_MAX = 1500;
const LARGE_VALUE_BYTES_MAX = 1_000_000;

const storageNames = ['set', 'set', 'set', 'add', 'replace', 'append', 'prepend', 'cas'];
const numbers = ['0', '1', '7', '255', '65536', '4294967295', '4294967296', '18446744073709551615'];
const oddNumbers = [
  '-1',
  '',
  'x',
  '1.5',
  '0x10',
  '2147483647',
  '2147483648',
  '9223372036854775807',
  '18446744073709551616',
  '9'.repeat(40),
];
/** Bytes that mean something to a parser, and some that should not. */
const special = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\0',
  '\t',
  '-',
  '0',
  '9',
  '\x80',
  '\xff',
  ' noreply',
  'k'.repeat(251),
];

/** A command that is answered as documented. */
export function validCommand(random: Random): Command {
  return random.chance(35) ? metaCommand(random) : classicCommand(random);
}

const getFlags = 'v k s t f c h l u O123 N100 N-1 R50 T100 T0 T-1 P L C1 D1 F1 J1 I E5'.split(' ');
const setFlags =
  'k c O123 T0 T100 T-1 F7 F4294967295 C1 I v s t N0 D1 P E18446744073709551615'.split(' ');
const setModes = ['', '', '', '', ' MS', ' ME', ' MR', ' MA', ' MP'];
const deleteFlags = 'k O123 C1 I T100 T0 T-1 v s x E7'.split(' ');
const countFlags = 'v k c t O123 N0 N100 J13 D5 D18446744073709551615 T0 T100 C0 s E9'.split(' ');

/** Never quiet, but for sets that cannot fail: how many answers come of the others depends on what is there. */
function metaCommand(random: Random): Command {
  const plain = smallKey(random);
  const encoded = plain.length < 180 && random.chance(15);
  const key = encoded ? Buffer.from(plain).toString('base64') : plain;
  const head = encoded ? ' b' : '';
  const flags = (letters: readonly string[]) =>
    head +
    letters
      .filter(() => random.chance(20))
      .map((letter) => ` ${letter}`)
      .join('');
  switch (random.below(9)) {
    case 0:
    case 1:
    case 2: {
      const value = random.chance(30)
        ? String(random.below(1000))
        : random.bytes(random.below(VALUE_BYTES_MAX));
      const quiet = random.chance(15);
      const tail = quiet ? `${head} q k c` : flags(setFlags) + random.pick(setModes);
      const sent = `ms ${key} ${value.length}${tail}\r\n${value}\r\n`;
      return { sent, answers: quiet ? 0 : 1 };
    }
    case 3:
    case 4:
    case 5:
      return { sent: `mg ${key}${flags(getFlags)}\r\n`, answers: 1 };
    case 6:
      return { sent: `md ${key}${flags(deleteFlags)}\r\n`, answers: 1 };
    case 7: {
      const mode = random.pick(['', ' MI', ' MD', ' M+', ' M-']);
      return { sent: `ma ${key}${flags(countFlags)}${mode}\r\n`, answers: 1 };
    }
    default:
      return { sent: random.pick(['mn\r\n', `me ${key}${head}\r\n`]), answers: 1 };
  }
}

function classicCommand(random: Random): Command {
  const noreply = random.chance(15);
  const key = smallKey(random);
  const tail = noreply ? ' noreply\r\n' : '\r\n';
  const answers = noreply ? 0 : 1;
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return { sent: store(random, key, tail), answers };
    case 4:
    case 5:
    case 6:
      return { sent: `${random.pick(['get', 'gets'])} ${keys(random)}\r\n`, answers: 1 };
    case 7:
      return {
        sent: `${random.pick(['incr', 'decr'])} ${key} ${random.pick(numbers)}${tail}`,
        answers,
      };
    case 8:
      return { sent: `delete ${key}${tail}`, answers };
    case 9:
      return { sent: `touch ${key} ${random.pick(['0', '-1', '100'])}${tail}`, answers };
    // Few keys: of gat, unlike get, a line of more than 2048 bytes may close the connection.
    case 10:
      return {
        sent: `${random.pick(['gat', 'gats'])} ${random.pick(['0', '100'])} ${few(random)}\r\n`,
        answers: 1,
      };
    default:
      return { sent: random.pick(plainLines), answers: 1 };
  }
}

/** Answered with one line, or, of stats, with lines up to END; never spoilt (flush_all is among them). */
const plainLines = [
  'version\r\n',
  'verbosity 0\r\n',
  'bogus\r\n',
  '\r\n',
  'stats\r\n',
  'stats items\r\n',
  'stats slabs\r\n',
  'stats settings\r\n',
  'flush_all abc\r\n',
  'get\r\n',
];

/** A value of up to a megabyte under one of a few keys, so that they never fill the cache. */
export function largeCommand(random: Random): Command {
  const length = random.between(1, LARGE_VALUE_BYTES_MAX);
  const key = `fuzzlarge${random.below(LARGE_KEYS)}`;
  if (random.chance(50)) {
    return { sent: `get ${key} ${key}\r\n`, answers: 1 };
  }
  return {
    sent: `set ${key} 0 0 ${length}\r\n${random.bytes(length)}\r\n`,
    answers: 1,
  };
}

/** Something that need not be a command at all. */
export function spoilt(random: Random): string {
  switch (random.below(8)) {
    case 0:
      return random.bytes(random.between(1, 200));
    case 1:
      return `${random.bytes(random.between(1, 60))}\r\n`;
    case 2:
      return oddNumber(random);
    case 3:
      return longLine(random);
    case 4:
      return wrongLength(random);
    default:
      return mutate(random, spoilable(random));
  }
}

/** A storage command whose block stops somewhere before its end. */
export function halfSent(random: Random): string {
  const whole = store(random, smallKey(random), '\r\n');
  return whole.slice(0, random.between(1, whole.length - 1));
}

function smallKey(random: Random): string {
  const number = random.below(KEYS);
  // Some keys of other lengths, among them the longest.
  return number < 3
    ? `fuzz${number}`.padEnd([100, 249, 250][number] as number, 'z')
    : `fuzz${number}`;
}

function keys(random: Random): string {
  return random.chance(10) ? several(random, random.between(20, 300)) : few(random);
}

function few(random: Random): string {
  return several(random, random.between(1, 4));
}

function several(random: Random, count: number): string {
  return Array.from({ length: count }, () => smallKey(random)).join(' ');
}

function store(random: Random, key: string, tail: string): string {
  const name = random.pick(storageNames);
  const unique = name === 'cas' ? ` ${random.pick(numbers)}` : '';
  const value = random.chance(30)
    ? String(random.below(1000))
    : random.bytes(random.below(VALUE_BYTES_MAX));
  const exptime = random.pick(['0', '0', '0', '100', '-1', '1']);
  return `${name} ${key} ${random.below(2 ** 32)} ${exptime} ${value.length}${unique}${tail}${value}\r\n`;
}

/** Valid, and without a command that mutation could turn into a flush. */
function spoilable(random: Random): string {
  let sent = '';
  for (let count = random.between(1, 3); count > 0; count -= 1) {
    let command = validCommand(random).sent;
    while (plainLines.includes(command)) {
      command = validCommand(random).sent;
    }
    sent += command;
  }
  return sent;
}

function mutate(random: Random, valid: string): string {
  let text = valid;
  for (let count = random.between(1, 4); count > 0; count -= 1) {
    // Mostly in the first line, where the parser is.
    const firstLine = Math.max(1, text.indexOf('\n'));
    const at = random.below(random.chance(75) ? firstLine : text.length);
    const length = random.between(1, 6);
    switch (random.below(5)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + length);
        break;
      case 1:
        text = text.slice(0, at) + random.pick(special) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + random.bytes(1) + text.slice(at + 1);
        break;
      case 3:
        text = text.slice(0, at + length) + text.slice(at);
        break;
      default:
        text = text.slice(0, at) + random.pick(oddNumbers) + text.slice(at + 1);
    }
  }
  return text;
}

function oddNumber(random: Random): string {
  const odd = () => (random.chance(60) ? random.pick(oddNumbers) : random.pick(numbers));
  const key = smallKey(random);
  return random.pick([
    `set ${key} ${odd()} 0 1\r\n1\r\n`,
    `set ${key} 0 ${odd()} 1\r\n1\r\n`,
    `set ${key} 0 0 ${random.pick(oddNumbers)}\r\n1\r\n`,
    `cas ${key} 0 0 1 ${odd()}\r\n1\r\n`,
    `incr ${key} ${odd()}\r\n`,
    `decr ${key} ${odd()} noreply\r\n`,
    `touch ${key} ${odd()}\r\n`,
    `gat ${odd()} ${key}\r\n`,
    `delete ${key} ${odd()}\r\n`,
    `ms ${key} ${random.pick(oddNumbers)}\r\n1\r\n`,
    `ms ${key} 1 T${odd()} F${odd()} C${odd()}\r\n1\r\n`,
    `mg ${key} v T${odd()} N${odd()} R${odd()} O${odd()}\r\n`,
    `ma ${key} D${odd()} J${odd()} N${odd()}\r\n`,
    `md ${key} C${odd()} M${odd()}\r\n`,
  ]);
}

function longLine(random: Random): string {
  const length = random.pick([249, 250, 251, 2046, 2047, 2048, 2049, 5000, 20_000, 140_000]);
  const start = random.pick([
    '',
    'get ',
    'gets ',
    ' get ',
    'gat 0 ',
    'set ',
    'delete ',
    'mg k ',
    'ms k 10 ',
    'md ',
    '    ',
    'incr ',
  ]);
  const filler = random.pick([
    'x',
    ' ',
    'a ',
    '\0',
    '\t',
    `${'k'.repeat(250)} `,
    `${'k'.repeat(251)} `,
  ]);
  const end = random.pick(['\r\n', '\n', '', '\r', ' noreply\r\n']);
  return start + filler.repeat(Math.ceil(length / filler.length)).slice(0, length) + end;
}

function wrongLength(random: Random): string {
  const value = random.bytes(random.below(200));
  const said = Math.max(0, value.length + random.between(-5, 5));
  const noreply = random.chance(30) ? ' noreply' : '';
  return `set ${smallKey(random)} 0 0 ${said}${noreply}\r\n${value}\r\n`;
}
