/** All topics of the table. */
import type { Topic } from '../table.js';
import { access } from './access.js';
import { administration } from './administration.js';
import { arithmetic } from './arithmetic.js';
import { blocks } from './blocks.js';
import { differences } from './differences.js';
import { expiry } from './expiry.js';
import { lines } from './lines.js';
import { looking } from './looking.js';
import { metaChange } from './meta-change.js';
import { metaFlags } from './meta-flags.js';
import { metaGet } from './meta-get.js';
import { metaKeys } from './meta-keys.js';
import { metaPipelines } from './meta-pipelines.js';
import { metaSet } from './meta-set.js';
import { metaStale } from './meta-stale.js';
import { misc } from './misc.js';
import { newerThanJudge } from './newer.js';
import { noreply } from './noreply.js';
import { oddities } from './oddities.js';
import { pipelining } from './pipelining.js';
import { removal } from './removal.js';
import { retrieval } from './retrieval.js';
import { shutdown } from './shutdown.js';
import { storage } from './storage.js';

/** The whole table. */
export const topics: readonly Topic[] = [
  lines,
  storage,
  retrieval,
  arithmetic,
  expiry,
  removal,
  noreply,
  blocks,
  pipelining,
  misc,
  metaFlags,
  metaGet,
  metaSet,
  metaChange,
  metaStale,
  metaKeys,
  metaPipelines,
  shutdown,
  differences,
  administration,
  access,
  looking,
  newerThanJudge,
  oddities,
];
