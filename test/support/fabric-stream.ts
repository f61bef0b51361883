/**
 * A stream of batches such as a store makes, from a seed: chunks that nothing refers to, and words that then refer to
 * them. Writer and reader make the same stream from one seed, so the reader knows the writer's batches.
 *
 * A word's value names the chunk and how often it was filled; all words of that chunk hold the same value.
 */
import { Random } from '../fuzz/random.js';
import { record, span } from './fabrics.js';

const places = 16;
const wordsAt = span[1];
const small = { count: 24, bytes: 112, at: 8192 } as const;
const large = { count: 24, bytes: 6000, at: 65_536 } as const;

/** The content of each word: 0, or the value of a chunk. */
export type Words = readonly number[];

export class Stream {
  /** The words after each publish so far; the first state is before any. */
  readonly states: Words[] = [Array.from({ length: places }, () => 0)];
  /** The number of publishes up to each batch, by sequence. */
  readonly publishes: number[] = [0];
  private readonly random: Random;
  private readonly free = Array.from({ length: small.count + large.count }, (_, chunk) => chunk);
  private fills = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** The next batch: mostly a small one; sometimes one of many ranges, or of none. */
  batch(): Buffer {
    const { random } = this;
    const kind = random.below(10);
    const list: Buffer[] = [];
    const mutations = kind === 0 ? 0 : kind < 6 ? random.between(1, 3) : random.between(4, 12);
    for (let i = 0; i < mutations; i++) list.push(...this.mutation(kind > 7));
    this.publishes.push(this.states.length - 1);
    return Buffer.concat(list);
  }

  private mutation(mayBeLarge: boolean): Buffer[] {
    const { random, free } = this;
    const words = [...this.states.at(-1)!];
    const place = random.below(places);
    const old = words[place]!;
    const list: Buffer[] = [];
    if (random.chance(25)) {
      words[place] = 0;
    } else {
      const fits = free.filter((chunk) => mayBeLarge || chunk < small.count);
      // A late write spoils a chunk that has just become free most likely, so it is taken often.
      const chunk = random.chance(50) ? fits.at(-1)! : random.pick(fits);
      free.splice(free.indexOf(chunk), 1);
      const value = ++this.fills * 256 + chunk;
      words[place] = value;
      const { offset, length } = spanOf(chunk);
      list.push(record(offset, filled(length, value)));
    }
    list.push(record(wordsAt + 4 * place, filled(4, words[place]!)));
    if (old !== 0) free.push(old % 256);
    this.states.push(words);
    return list;
  }
}

/**
 * The number of publishes after which the memory is as it is. Throws where it never was so, or holds half a mutation.
 */
export function publishesIn(memory: Uint8Array, stream: Stream, atLeast: number): number {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const words = Array.from({ length: places }, (_, place) =>
    view.getUint32(wordsAt + 4 * place, true),
  );
  const found = stream.states.findIndex(
    (state, count) => count >= atLeast && state.every((value, place) => value === words[place]),
  );
  if (found < 0) throw new Error(besideNearest(words, stream, atLeast));
  for (const value of words.filter((one) => one !== 0)) {
    const { offset, length } = spanOf(value % 256);
    for (let at = offset; at < offset + length; at += 4) {
      const word = view.getUint32(at, true);
      if (word !== value) throw new Error(`at ${at} of the chunk of ${value} stands ${word}`);
    }
  }
  return found;
}

/** Says how the words differ from the state most like them, and which batches the difference comes from. */
function besideNearest(words: Words, { states, publishes }: Stream, atLeast: number): string {
  const unlike = (state: Words): number[] =>
    state.flatMap((value, place) => (value === words[place] ? [] : place));
  const batchOf = (count: number): number => publishes.findIndex((most) => most >= count);
  let nearest = atLeast;
  for (let count = atLeast; count < states.length; count++) {
    if (unlike(states[count]!).length < unlike(states[nearest]!).length) nearest = count;
  }
  const found = unlike(states[nearest]!).map((place) => {
    const value = states[nearest]![place]!;
    let count = nearest;
    while (count > 0 && states[count - 1]![place] === value) count--;
    const by = count === 0 ? 'as at the beginning' : `which batch ${batchOf(count)} published`;
    return `word ${place} holds ${words[place]} instead of ${value}, ${by}`;
  });
  return (
    `no state behind publish ${atLeast} (batch ${batchOf(atLeast)}) has the words ${words}; ` +
    `the nearest, behind publish ${nearest} (batch ${batchOf(nearest)}): ${found.join('; ')}`
  );
}

function spanOf(chunk: number): { readonly offset: number; readonly length: number } {
  const { at, bytes, index } =
    chunk < small.count ? { ...small, index: chunk } : { ...large, index: chunk - small.count };
  return { offset: at + index * bytes, length: bytes };
}

function filled(length: number, value: number): Buffer {
  const bytes = Buffer.alloc(length);
  new Uint32Array(bytes.buffer, bytes.byteOffset, length / 4).fill(value);
  return bytes;
}
