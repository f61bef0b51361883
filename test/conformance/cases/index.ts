/** All topics of the table. */
import type { Topic } from '../table.js';
import { access } from './access.js';
import { arithmetic } from './arithmetic.js';
import { blocks } from './blocks.js';
import { expiry } from './expiry.js';
import { lines } from './lines.js';
import { looking } from './looking.js';
import { misc } from './misc.js';
import { noreply } from './noreply.js';
import { pipelining } from './pipelining.js';
import { removal } from './removal.js';
import { retrieval } from './retrieval.js';
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
  access,
  looking,
];
