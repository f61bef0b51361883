/** The drill's judge catches what it is for, and complains of nothing else. */
import { describe, expect, test } from '@jest/globals';
import { type Item, type ItemRead, KeyHistory, type Write } from '../../failover/drill/history.js';
import { numberOf, textOf } from '../../failover/drill/values.js';
import { judge, judgeReply } from '../../failover/drill/verify.js';

const bytes = 40;

describe('after acknowledged writes', () => {
  test('the last value, its flags and its CAS id are right', () => {
    const history = acknowledged('set', 'set');
    expect(judge(history, found(history.item!, 12), true)).toBeNull();
    expect(judge(history, found(history.item!, 12), true)).toBeNull();
  });

  test('a lost acknowledgement is caught: the value before it', () => {
    const history = acknowledged('set', 'set');
    const old = { value: textOf('k', 1, bytes), flags: 1 };
    expect(judge(history, found(old, 12), true)?.kind).toBe('lost');
  });

  test('a lost acknowledgement is caught: no such key', () => {
    expect(judge(acknowledged('set'), null, true)?.kind).toBe('lost');
  });

  test('a lost acknowledgement is caught: an append that is not there', () => {
    const history = acknowledged('set', 'append');
    const old = { value: textOf('k', 1, bytes), flags: 1 };
    expect(judge(history, found(old, 12), true)?.kind).toBe('lost');
  });

  test('a lost acknowledgement is caught: a number that went back', () => {
    const history = new KeyHistory('n', true);
    write(history, { verb: 'set', value: String(numberOf(1)), flags: 0 });
    write(history, { verb: 'incr', delta: 3 });
    const old = { value: String(numberOf(1)), flags: 0 };
    expect(judge(history, found(old, 12), true)?.kind).toBe('lost');
  });

  test('a resurrected delete is caught', () => {
    const history = acknowledged('set', 'delete');
    const old = { value: textOf('k', 1, bytes), flags: 1 };
    expect(judge(history, found(old, 12), true)?.kind).toBe('resurrected');
  });

  test.each([
    ['bytes nobody wrote', 'rubbish', 2],
    ["another key's value", textOf('other', 2, bytes), 2],
    ['a mixture of two values', `${textOf('k', 2, bytes).slice(0, -3)}k#1`, 2],
    ['a value from the future', textOf('k', 9, bytes), 2],
    ['other flags', textOf('k', 2, bytes), 7],
  ])('a wrong value is caught: %s', (_, value, flags) => {
    const history = acknowledged('set', 'set');
    expect(judge(history, found({ value, flags }, 12), true)?.kind).toBe('wrong');
  });

  test('a value that was never there under a deleted key is caught', () => {
    const history = acknowledged('set', 'delete');
    expect(judge(history, found({ value: 'rubbish', flags: 0 }, 12), true)?.kind).toBe('wrong');
  });

  test('one fault is counted once', () => {
    const history = acknowledged('set', 'set');
    expect(judge(history, null, true)).not.toBeNull();
    expect(judge(history, null, true)).toBeNull();
  });
});

describe('CAS ids', () => {
  test('that went back are caught, also where the item was not read before', () => {
    const history = acknowledged('set');
    expect(judge(history, found(history.item!, 10), true)?.kind).toBe('cas');
  });

  test('that changed although the item did not are caught', () => {
    const history = acknowledged('set');
    judge(history, found(history.item!, 12), true);
    expect(judge(history, found(history.item!, 13), true)?.kind).toBe('cas');
    judge(history, found(history.item!, 13), true);
    expect(judge(history, found(history.item!, 12), true)?.kind).toBe('cas');
  });

  test('that stayed although the item changed are caught', () => {
    const history = acknowledged('set');
    judge(history, found(history.item!, 12), true);
    write(history, next(history, 'set'));
    expect(judge(history, found(history.item!, 12), true)?.kind).toBe('cas');
  });

  test('of a write in doubt that happened must be new', () => {
    const history = acknowledged('set');
    judge(history, found(history.item!, 12), true);
    history.sent(next(history, 'set'), 20);
    const [, after] = history.possible();
    expect(judge(history, found(after!, 20), true)?.kind).toBe('cas');
  });

  test('from before must work for an item that did not change', () => {
    const history = acknowledged('set');
    judge(history, found(history.item!, 12), true);
    history.sent({ verb: 'cas', value: 'v', flags: 0, id: 12 }, 20);
    expect(judgeReply(history, 'EXISTS')?.kind).toBe('cas');
  });
});

describe('writes whose answer was cut off', () => {
  test('may have happened or not, each only after those before it', () => {
    for (let happened = 0; happened <= 3; happened++) {
      const history = inDoubt('append', 'append', 'set');
      const item = history.possible()[happened]!;
      expect(judge(history, found(item, 30), true)).toBeNull();
      expect(history.item).toEqual(item);
      expect(history.unanswered).toHaveLength(0);
    }
  });

  test('may not have happened without those before them', () => {
    const history = inDoubt('append', 'append');
    const value = `${history.item!.value}#3#`;
    expect(judge(history, found({ value, flags: 1 }, 30), true)?.kind).toBe('wrong');
  });

  test('may delete', () => {
    expect(judge(inDoubt('delete'), null, true)).toBeNull();
  });

  test('do not excuse the loss of an acknowledged one', () => {
    const history = acknowledged('set', 'set');
    history.sent(next(history, 'set'), 20);
    const old = { value: textOf('k', 1, bytes), flags: 1 };
    expect(judge(history, found(old, 12), true)?.kind).toBe('lost');
  });

  test('have not happened for a read that was sent before them', () => {
    const history = acknowledged('set');
    history.sent(next(history, 'set'), 20);
    const [before, after] = history.possible();
    expect(judge(history, found(before!, 12), false)).toBeNull();
    expect(history.unanswered).toHaveLength(1);
    expect(judge(history, found(after!, 21), false)?.kind).toBe('wrong');
  });
});

describe('replies', () => {
  test.each<[Write['verb'], string]>([
    ['append', 'NOT_STORED'],
    ['replace', 'NOT_STORED'],
    ['delete', 'NOT_FOUND'],
    ['cas', 'NOT_FOUND'],
  ])('to %s that say an acknowledged item is gone: lost', (verb, reply) => {
    const history = acknowledged('set');
    history.sent(next(history, verb), 0);
    expect(judgeReply(history, reply)?.kind).toBe('lost');
  });

  test.each<[Write['verb'], string]>([
    ['add', 'NOT_STORED'],
    ['delete', 'DELETED'],
  ])('to %s that say a deleted item is there: resurrected', (verb, reply) => {
    const history = acknowledged('set', 'delete');
    history.sent(next(history, verb), 0);
    expect(judgeReply(history, reply)?.kind).toBe('resurrected');
  });

  test('with a wrong number are wrong', () => {
    const history = new KeyHistory('n', true);
    write(history, { verb: 'set', value: '5', flags: 0 });
    history.sent({ verb: 'incr', delta: 1 }, 0);
    expect(judgeReply(history, '5')?.kind).toBe('wrong');
  });

  test('that are errors are wrong', () => {
    const history = new KeyHistory('k', false);
    history.sent(next(history, 'set'), 0);
    expect(judgeReply(history, 'SERVER_ERROR out of memory storing object')?.kind).toBe('wrong');
  });
});

/** A key with so many acknowledged writes; CAS ids were up to 10 when they were sent. */
function acknowledged(...verbs: Write['verb'][]): KeyHistory {
  const history = new KeyHistory('k', false);
  for (const verb of verbs) write(history, next(history, verb));
  return history;
}

function inDoubt(...verbs: Write['verb'][]): KeyHistory {
  const history = acknowledged('set');
  for (const verb of verbs) history.sent(next(history, verb), 10);
  return history;
}

function next(history: KeyHistory, verb: Write['verb']): Write {
  const serial = ++history.serial;
  if (verb === 'delete') return { verb };
  if (verb === 'incr') return { verb, delta: 1 };
  if (verb === 'append') return { verb, value: `#${serial}#` };
  const stored = { value: textOf('k', serial, bytes), flags: serial };
  return verb === 'cas' ? { verb, ...stored, id: 10 } : { verb, ...stored };
}

function write(history: KeyHistory, what: Write): void {
  history.sent(what, 10);
  const right = what.verb === 'incr' ? String(Number(history.item!.value) + what.delta) : null;
  const stored = what.verb === 'delete' ? 'DELETED' : 'STORED';
  expect(judgeReply(history, right ?? stored)).toBeNull();
}

function found(item: Item, cas: number): ItemRead {
  return { key: 'k', cas, ...item };
}
