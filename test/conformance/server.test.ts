/** The table, against hotspare alone or the server given with SERVER. */
import { conform } from './conform.js';
import { first } from './judges.js';

conform(first());
