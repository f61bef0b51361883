/** Which of two nodes that both serve gives way. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { outcome, type Reign } from '../../backup/lease/reign.js';

const reign = (fields: Partial<Reign> = {}): Reign => ({
  epoch: 1,
  node: 'a',
  cache: 'c',
  changes: 1,
  ...fields,
});

describe('two reigns that meet', () => {
  test('the higher epoch goes on', () => {
    expect(outcome(reign({ epoch: 1 }), reign({ epoch: 2, node: 'b' }))).toBe('theirs');
    expect(outcome(reign({ epoch: 3 }), reign({ epoch: 2, node: 'b' }))).toBe('ours');
  });

  test('of one epoch: exactly one goes on, and both agree which', () => {
    expect(outcome(reign({ node: 'a' }), reign({ node: 'b' }))).toBe('theirs');
    expect(outcome(reign({ node: 'b' }), reign({ node: 'a' }))).toBe('ours');
  });

  test('a reign that nobody used gives way to one that went on, whatever its epoch', () => {
    const unused = reign({ epoch: 2, node: 'b', changes: 0 });
    expect(outcome(reign({ changes: 629 }), unused)).toBe('ours');
    expect(outcome(unused, reign({ changes: 629 }))).toBe('theirs');
  });

  test('a node that was started empty gives way to the heir of the cache, also to one that nobody used yet', () => {
    const heir = reign({ epoch: 2, node: 'b', changes: 0 });
    expect(outcome(reign({ cache: 'empty', changes: 5 }), heir)).toBe('theirs');
  });

  test('two caches of which no epoch is the higher stay apart', () => {
    expect(outcome(reign({ cache: 'x' }), reign({ cache: 'y' }))).toBe('apart');
  });

  test('whatever they are: both nodes come to the same verdict', () => {
    const any = fc.record({
      epoch: fc.integer({ min: 1, max: 3 }),
      node: fc.constantFrom('a', 'b', 'c'),
      cache: fc.constant('c'),
      changes: fc.integer({ min: 0, max: 2 }),
    });
    const opposite = { ours: 'theirs', theirs: 'ours', apart: 'apart' } as const;
    fc.assert(
      fc.property(any, any, (one, other) => {
        fc.pre(one.node !== other.node);
        expect(outcome(other, one)).toBe(opposite[outcome(one, other)]);
      }),
    );
  });
});
