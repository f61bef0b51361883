/** The table, against hotspare whose every reply waits for its standby: a mirror changes no answer. */
import { conform } from './conform.js';
import { withStandby } from './judges.js';

conform(withStandby());
