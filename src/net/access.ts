/**
 * Credentials (-Y) and TLS (-Z), read once when the process starts, so that a standby finds a missing or wrong file
 * then, and not at its takeover.
 */

import type { Settings } from '../flags/settings.js';
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
    tls: tls === null ? null : new Tls(tls, settings.connections),
  };
}
