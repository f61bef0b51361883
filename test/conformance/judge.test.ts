/** The table, against memcached: what the table expects is what memcached answers. */
import { conform } from './conform.js';
import { judge } from './judges.js';

conform(judge());
