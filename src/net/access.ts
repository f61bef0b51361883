/**
 * What -Y and -Z ask for, read once when the process starts: so a standby finds then, and not at its takeover, that a
 * file is missing or wrong.
 */

import type { Settings } from '../flags/options.js';
import { Credentials } from '../process/credentials.js';
import type { Log } from '../process/log.js';
import { Tls } from './tls.js';

export interface Access {
  /** Null: everybody may use the cache. */
  readonly credentials: Credentials | null;
  /** Null: nothing is encrypted. */
  readonly tls: Tls | null;
}

/** Throws HotspareError. */
export function openAccess(settings: Settings, log: Log): Access {
  const { authFile, tls } = settings;
  return {
    credentials: authFile === null ? null : new Credentials(authFile, log),
    tls: tls === null ? null : new Tls(tls),
  };
}
