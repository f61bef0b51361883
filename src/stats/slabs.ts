/** `stats slabs`: pages and chunks of the classes that have any. */
import { classCounters } from './counters.js';
import type { CacheStatSource, StatRow } from './stat-sources.js';

export function slabRows(cache: CacheStatSource): StatRow[] {
  const { store, counters } = cache;
  const active = store.slabs.classes.filter((slabClass) => slabClass.pages.length > 0);
  const rows = active.flatMap((slabClass) => {
    const { number, chunkBytes, perPage, pages } = slabClass;
    const chunks = pages.length * perPage;
    const own: StatRow[] = [
      ['chunk_size', chunkBytes],
      ['chunks_per_page', perPage],
      ['total_pages', pages.length],
      ['total_chunks', chunks],
      ['used_chunks', chunks - slabClass.freeChunks],
      ['free_chunks', slabClass.freeChunks],
      ['free_chunks_end', 0],
      ...classCounters.map((name): StatRow => [name, counters.byClass[name][number]!]),
    ];
    return own.map(([name, value]): StatRow => [`${number}:${name}`, value]);
  });
  const pages = active.reduce((sum, slabClass) => sum + slabClass.pages.length, 0);
  return [
    ...rows,
    ['active_slabs', active.length],
    ['total_malloced', pages * store.region.geometry.pageBytes],
  ];
}
