/**
 * Rules that are broken on purpose, to see that the simulator finds each break. A break replaces a piece of the
 * compiled program as it is loaded: the program itself has no switch for it.
 */
import { readFileSync } from 'node:fs';
import Module from 'node:module';

export interface Break {
  readonly name: string;
  /** The broken rule, in a sentence. */
  readonly what: string;
  /** The first seed that finds it, from 1 on, or the name of a scenario; null: neither does. */
  readonly foundBy: number | string | null;
  /** Each change is [file, a text that stands in it exactly once, its replacement]. */
  readonly changes: readonly (readonly [file: string, from: string, to: string])[];
}

export const breaks: readonly Break[] = [
  {
    name: 'L1-silent-deposed',
    what: 'a deposed primary does not tell its standbys who reigns, nor stays where they can find it',
    foundBy: 13,
    changes: [
      [
        'backup/primary/primary.js',
        'channel.sendMessage(frame_js_1.FrameType.DEPOSED, { node, link }, epoch);',
        '',
      ],
      ['failover/role.js', "isSupervised ? 'closeLinkPort' : 'leadOn'", "'closeLinkPort'"],
    ],
  },
  {
    name: 'L2-ends-for-an-address',
    what: 'an heir whose address is taken ends',
    foundBy: 68,
    changes: [['failover/role.js', "bindFailed: { actions: ['bindLater'] }", 'bindFailed: fail']],
  },
  {
    name: 'L3-lease-not-looked-at',
    what: 'the lease is not looked at before the acts of a takeover',
    foundBy: 101,
    changes: [
      ['failover/role.js', 'if (leaseLeftMs <= 0)\n        return doubtful;', ''],
      ['failover/role.js', 'if (leaseLeftMs <= 0)\n                return late;', ''],
      ['failover/role.js', 'if (role.isCertain || leaseLeftMs > 0)', 'if (true)'],
      ['failover/role.js', '=> role.isCertain || leaseLeftMs > 0', '=> true'],
    ],
  },
  {
    name: 'L5-answers-at-once',
    what: 'a node that starts with a cache of its own does not listen for an announcer first',
    foundBy: 12,
    changes: [['failover/node.js', 'this.pauseAwake(limits_js_1.challengeMs)', 'this.pauseFor(1)']],
  },
  {
    name: 'L6-unused-reign-wins',
    what: 'a reign that nobody used deposes one that went on',
    foundBy: 24,
    changes: [
      ['backup/lease/reign.js', 'theirs.changes === 0 && ours.changes > 0', 'false'],
      ['backup/lease/reign.js', 'ours.changes === 0 && theirs.changes > 0', 'false'],
    ],
  },
  {
    name: 'L6-loss-not-said',
    what: 'a write that was on its way to a standby that is lost counts as one that it has',
    foundBy: 191,
    changes: [
      ['backup/primary/primary.js', 'this.unacked.changesAt(acked)', 'this.parts.changes()'],
    ],
  },
  {
    name: 'L8-numbers-not-modulo',
    what: 'numbers of heartbeats are compared as if they did not outgrow the wire',
    foundBy: 3,
    changes: [
      [
        'backup/lease/heartbeat-times.js',
        '(this.count - echo) >>> 0',
        'this.count < echo ? Infinity : this.count - echo',
      ],
    ],
  },
  {
    name: 'law3-no-barrier',
    what: 'a reply does not wait for its batch',
    foundBy: 1,
    changes: [
      [
        'backup/primary/primary.js',
        'this.replicas) < sequence ? sequence : 0',
        'this.replicas) * 0',
      ],
    ],
  },
  {
    name: 'law4-nobody-told',
    what: 'an heir tells nobody that it reigns',
    foundBy: 6,
    changes: [
      ['failover/service.js', 'addresses.map((at) => this.newAnnouncer(at))', '[]'],
      [
        'backup/standby/standby.js',
        'this.channel?.sendMessage(frame_js_1.FrameType.DEPOSED, deposed, epoch);',
        '',
      ],
    ],
  },
  {
    name: 'rule2-never-asks',
    what: 'a reply leaves on what was said, not on what was heard',
    foundBy: 73,
    changes: [
      [
        'backup/lease/primary-lease.js',
        "nowMs <= this.promisedMs || this.current !== 'counted'",
        'true',
      ],
    ],
  },
  {
    name: 'rule7-lease-never-ends',
    what: 'a copy that the primary went on without is served',
    foundBy: 62,
    changes: [
      [
        'backup/lease/standby-lease.js',
        'return this.confirmedMs + this.lengthMs;',
        'return Number.POSITIVE_INFINITY;',
      ],
    ],
  },
  {
    name: 'rule8-own-absence',
    what: 'a standby takes its own absence for the silence of the primary',
    foundBy: 7,
    changes: [['failover/detector.js', 'Math.min(silence, this.lookMs * awakeLooks)', 'silence']],
  },
  {
    name: 'lease-no-hold',
    what: 'a primary that lost its standby answers at once',
    foundBy: 244,
    changes: [
      [
        'backup/lease/lease.js',
        'leaseMsOf(ackTimeoutMs) * (1 + limits_js_1.clockMargin)',
        '0 * ackTimeoutMs',
      ],
    ],
  },
  {
    name: 'L9-forward-is-primary',
    what: 'the end of a port forward on the own machine is taken for the death of the primary',
    foundBy: 'a-port-forward-that-ends',
    changes: [
      [
        'backup/standby/handshake-checks.js',
        "return local !== '' && local === seenStandby",
        'return true',
      ],
      ['backup/standby/handshake-checks.js', ' && peer === seenPrimary', ''],
    ],
  },
  {
    name: 'late-heir-serves',
    what: 'an heir whose lease ended before it could announce its reign serves in the end',
    foundBy: 282,
    changes: [['failover/role.js', 'paused: giveUp', 'paused: bindCertain']],
  },
  {
    name: 'passers-call-away',
    what: 'an announcer calls a node away from the primary that is about to let it in',
    foundBy: 55,
    changes: [['failover/role.js', 'isAsked ? stay :', 'false ? stay :']],
  },
  {
    name: 'whole-once-ends',
    what: 'a node that was whole once ends for want of memory',
    foundBy: null,
    changes: [['failover/role.js', 'const waits = wasWhole ||', 'const waits =']],
  },
  {
    name: 'herald-own-absence',
    what: 'an announcer takes its own absence for an answer that does not come',
    foundBy: null,
    changes: [
      ['failover/reign-announcer.js', 'if (wasAway || isNew)\n                return;', ''],
    ],
  },
  {
    name: 'herald-claims-all',
    what: 'an announcer claims all that was changed, also what the node that it meets has',
    foundBy: null,
    changes: [
      [
        'backup/primary/primary.js',
        "this.changesWithout(this.nodesAt.get(link) ?? '')",
        'this.parts.changes()',
      ],
    ],
  },
  {
    name: 'seek-itself',
    what: 'a node that looks for a primary may be led to itself, and looks nowhere else',
    foundBy: null,
    changes: [
      ['failover/primary-addresses.js', 'this.isSelf = isSelf;', 'this.isSelf = () => false;'],
      [
        'backup/primary/redirect-listener.js',
        '(proof.epoch === 0 && link === where.link)',
        'false',
      ],
    ],
  },
  {
    name: 'seek-for-ever',
    what: 'nodes that all look for a primary, with nothing in hand, look for ever',
    foundBy: 13,
    changes: [['failover/attachment.js', 'this.primaryAddresses.areAllSeeking(now)', 'false']],
  },
  {
    name: 'pair-ends-late',
    what: 'a supervisor ends the primary for a standby whose lease is over, or says that it ended in time',
    foundBy: 62,
    changes: [['failover/supervision.js', 'goneMs >= untilMs ||', '']],
  },
  {
    name: 'pair-trusts-a-late-end',
    what: 'a supervisor tells a standby that the primary has ended, though that was after the lease',
    foundBy: null,
    changes: [['failover/supervision.js', 'old === null ? pair.goneMs :', 'old === null ? 0 :']],
  },
  {
    name: 'pair-waits-for-nobody',
    what: 'a supervisor keeps a node that is alone and has no copy to serve',
    foundBy: 22,
    changes: [['failover/supervision.js', 'if (whole.length === 0)', 'if (false)']],
  },
  {
    name: 'one-ack-is-enough',
    what: 'a reply leaves when one of several standbys has acked',
    foundBy: 44,
    changes: [
      ['backup/primary/quorum.js', 'let least = sequence', 'let least = 0'],
      ['backup/primary/quorum.js', 'replica.acked < least', 'replica.acked > least'],
    ],
  },
];

/**
 * Breaks a rule in all modules that are loaded from now on. Throws where a change's text does not stand exactly once.
 */
export function breakRule(name: string): void {
  const found = breaks.find((one) => one.name === name);
  if (found === undefined) {
    throw new Error(`no break ${name}; there are: ${breaks.map((one) => one.name).join(', ')}`);
  }
  const load = (
    Module as unknown as { _extensions: Record<string, (module: unknown, file: string) => void> }
  )._extensions;
  const plain = load['.js']!;
  const left = new Set(found.changes);
  load['.js'] = (module, file) => {
    const changes = found.changes.filter(([path]) => file.endsWith(`/${path}`));
    if (changes.length === 0) {
      plain(module, file);
      return;
    }
    let text = readFileSync(file, 'utf8');
    for (const change of changes) {
      const [path, from, to] = change;
      if (text.split(from).length !== 2)
        throw new Error(`${path} does not hold this once: ${from}`);
      text = text.replace(from, () => to);
      left.delete(change);
    }
    (module as { _compile(text: string, file: string): void })._compile(text, file);
  };
  process.on('exit', () => {
    for (const [path, from] of left) console.error(`never loaded: ${path} (${from})`);
  });
}
