/** What both ends of a mirror are started with. */

export interface BackupSettings {
  /** `--link-listen`: where standbys attach, or null. */
  readonly linkListen: { readonly host: string; readonly port: number } | null;
  /** The bytes of `--secret-file`; empty without one. */
  readonly secret: Uint8Array;
  /** `--ack`. */
  readonly ack: 'sync' | 'async';
  /** `--ack-timeout`: a standby that has not acked a batch for this long is dropped. */
  readonly ackTimeoutMs: number;
  /** `--heartbeat`. */
  readonly heartbeatMs: number;
  /** `--dead-after`: silence after which a standby takes over. */
  readonly deadAfterMs: number;
  /** Random name of this node, for logs. */
  readonly node: string;
}
