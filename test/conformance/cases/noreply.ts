/**
 * noreply: on success nothing is answered. On errors too, once the line has the right number of words: then the
 * client reads nothing although the data block is now read as commands. Only the wrong number of words, and
 * what is no command, is answered.
 */
import { end, error, notFound, one, set, stored, type Topic, value } from '../table.js';

const storageCommands = ['set', 'add', 'replace', 'append', 'prepend'];

export const noreply: Topic = {
  topic: 'noreply',
  cases: [
    one('set', 'set k 0 0 1 noreply\r\n1\r\nget k\r\n', value('k', '1') + end),
    one(
      'add',
      'add k 0 0 1 noreply\r\n1\r\nadd k 0 0 1 noreply\r\n2\r\nget k\r\n',
      value('k', '1') + end,
    ),
    one(
      'replace',
      `replace k 0 0 1 noreply\r\n1\r\n${set('k', '1')}replace k 0 0 1 noreply\r\n2\r\nget k\r\n`,
      stored + value('k', '2') + end,
    ),
    one(
      'append',
      `append k 0 0 1 noreply\r\n1\r\n${set('k', '1')}append k 0 0 1 noreply\r\n2\r\nget k\r\n`,
      stored + value('k', '12') + end,
    ),
    one(
      'prepend',
      `prepend k 0 0 1 noreply\r\n1\r\n${set('k', '1')}prepend k 0 0 1 noreply\r\n2\r\nget k\r\n`,
      stored + value('k', '21') + end,
    ),
    {
      name: 'cas: missing, wrong and right unique',
      steps: [
        ['cas k 0 0 1 1 noreply\r\n1\r\nget k\r\n', end],
        [`${set('k', '1')}cas k 0 0 1 0 noreply\r\n2\r\nget k\r\n`, stored + value('k', '1') + end],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [(seen) => `cas k 0 0 1 ${seen['cas']} noreply\r\n3\r\nget k\r\n`, value('k', '3') + end],
      ],
    },
    one(
      'delete',
      `${set('k', '1')}delete k noreply\r\ndelete k noreply\r\nget k\r\n`,
      stored + end,
    ),
    one(
      'incr and decr',
      `${set('k', '5')}incr k 2 noreply\r\ndecr k 1 noreply\r\nget k\r\n`,
      stored + value('k', '6') + end,
    ),
    one('incr and decr of nothing', 'incr k 2 noreply\r\ndecr k 1 noreply\r\n', ''),
    one(
      'incr of a value that does not count',
      `${set('k', 'x')}incr k 2 noreply\r\nget k\r\n`,
      stored + value('k', 'x') + end,
    ),
    one(
      'touch',
      `${set('k', '1')}touch k -1 noreply\r\nget k\r\ntouch k 0 noreply\r\n`,
      stored + end,
    ),
    one('verbosity', 'verbosity 0 noreply\r\nverbosity noreply\r\n', ''),
    one(
      'one silent command does not silence the next',
      'set k 0 0 1 noreply\r\n1\r\nset k 0 0 1\r\n2\r\ndelete x\r\n',
      stored + notFound,
    ),
    one(
      'a silent failure does not silence the next',
      'incr k abc noreply\r\nincr k 1\r\n',
      notFound,
    ),
    one(
      'a hundred silent sets',
      `${Array.from({ length: 100 }, (_, n) => `set k${n} 0 0 2 noreply\r\n${n % 10}x\r\n`).join('')}get k7 k99\r\n`,
      value('k7', '7x') + value('k99', '9x') + end,
    ),
    ...storageCommands.flatMap((name) => [
      one(
        `${name}: flags that are no number are refused in silence`,
        `${name} k abc 0 1 noreply\r\n1\r\n`,
        error,
      ),
      one(
        `${name}: an exptime that is no number is refused in silence`,
        `${name} k 0 abc 1 noreply\r\n1\r\n`,
        error,
      ),
      one(
        `${name}: a length that is no number is refused in silence`,
        `${name} k 0 0 abc noreply\r\n1\r\n`,
        error,
      ),
      one(
        `${name}: a negative length is refused in silence`,
        `${name} k 0 0 -1 noreply\r\nget k\r\n`,
        end,
      ),
    ]),
    one(
      'cas: a unique that is no number is refused in silence',
      'cas k 0 0 1 abc noreply\r\n1\r\n',
      error,
    ),
    one(
      'cas: noreply in the place of the unique is refused in silence',
      'cas k 0 0 1 noreply\r\n1\r\n',
      error,
    ),
    one(
      'set: noreply in the place of the length is refused in silence',
      'set k 0 0 noreply\r\n',
      '',
    ),
    one('set: noreply in the place of the exptime has too few words', 'set k 0 noreply\r\n', error),
    one(
      'incr: a bad delta is refused in silence',
      'incr k abc noreply\r\ndecr k -1 noreply\r\n',
      '',
    ),
    one('incr: noreply in the place of the delta is refused in silence', 'incr k noreply\r\n', ''),
    one('touch: a bad exptime is refused in silence', 'touch k abc noreply\r\n', ''),
    one(
      'touch: noreply in the place of the exptime is refused in silence',
      'touch k noreply\r\n',
      '',
    ),
    one('verbosity: a bad level is refused in silence', 'verbosity abc noreply\r\n', ''),
    one('noreply must be the last word', 'set k 0 0 1 noreply x\r\n1\r\n', error + error),
    one(
      'NOREPLY is not noreply',
      'set k 0 0 1 NOREPLY\r\n1\r\nincr k 1 norepl\r\n',
      `${stored}2\r\n`,
    ),
    one(
      'noreply behind trailing spaces',
      'set k 0 0 1 noreply   \r\n1\r\nget k\r\n',
      value('k', '1') + end,
    ),
    one(
      'noreply as a key',
      'set noreply 0 0 1\r\n1\r\nincr noreply 1\r\ndelete noreply\r\n',
      `${stored}2\r\nDELETED\r\n`,
    ),
    one('version and quit do not know it', 'version noreply\r\n', /^VERSION \S+\r\n$/),
  ],
};
