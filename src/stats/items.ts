/** `stats items`: counters of the classes that hold items. */
import { ageOf } from '../store/page-balancer.js';
import type { SlabClass } from '../store/slab-class.js';
import { type CacheStatSource, type StatRow, zeroes } from './stat-sources.js';

export function itemRows(cache: CacheStatSource): StatRow[] {
  return cache.store.slabs.classes
    .filter((slabClass) => slabClass.items > 0)
    .flatMap((slabClass) => ofClass(cache, slabClass));
}

function ofClass(cache: CacheStatSource, slabClass: SlabClass): StatRow[] {
  const age = ageOf(cache.store, slabClass);
  const rows: StatRow[] = [
    ['number', slabClass.items],
    ['number_hot', 0],
    ['number_warm', 0],
    ['number_cold', slabClass.items],
    ['age_hot', 0],
    ['age_warm', 0],
    ['age', age],
    ['mem_requested', slabClass.itemBytes],
    ['evicted', slabClass.evicted],
    ['evicted_nonzero', slabClass.evictedNonzero],
    ['evicted_time', slabClass.evictedAge],
    ['outofmemory', slabClass.outOfMemory],
    ['tailrepairs', 0],
    ['reclaimed', slabClass.reclaimed],
    ['expired_unfetched', slabClass.expiredUnfetched],
    ['evicted_unfetched', slabClass.evictedUnfetched],
    ['evicted_active', 0],
    ['crawler_reclaimed', slabClass.crawlerReclaimed],
    ['crawler_items_checked', slabClass.crawlerChecked],
    ...zeroes(
      'lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims hits_to_hot hits_to_warm',
    ),
    ['hits_to_cold', cache.counters.byClass.get_hits[slabClass.number]!],
    ['hits_to_temp', 0],
  ];
  return rows.map(([name, value]) => [`items:${slabClass.number}:${name}`, value]);
}
