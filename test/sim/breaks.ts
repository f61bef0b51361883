/**
 * Rules that are broken on purpose, to see that the simulator finds each. A break replaces a piece of the compiled
 * program as it is loaded: the program itself has no switch for it.
 */
import { readFileSync } from 'node:fs';
import Module from 'node:module';

export interface Break {
  readonly name: string;
  /** What is broken, in a sentence. */
  readonly what: string;
  /** Each is [file, what stands there once, what takes its place]. */
  readonly changes: readonly (readonly [file: string, from: string, to: string])[];
}

export const breaks: readonly Break[] = [
  {
    name: 'L1-silent-deposed',
    what: 'a deposed primary does not tell its standbys who reigns, nor stays where they can find it',
    changes: [
      [
        'backup/primary/primary.js',
        'channel.sendMessage(frame_js_1.FrameType.DEPOSED, { node, link }, epoch);',
        '',
      ],
      ['failover/node.js', 'this.linkPort.direct({', 'this.linkPort.close(), void ({'],
    ],
  },
  {
    name: 'L2-ends-for-an-address',
    what: 'an heir whose address is taken ends',
    changes: [
      ['failover/takeover.js', 'parts.waits(error, this.attempts);', "throw new Error('it ends');"],
    ],
  },
  {
    name: 'L3-lease-not-looked-at',
    what: 'the lease is not looked at again before the act',
    changes: [
      [
        'failover/node.js',
        'this.standby.isWhole(this.ports.clock())) {\n            this.verdict',
        'true) {\n            this.verdict',
      ],
      [
        'failover/takeover.js',
        'if (!parts.holdsLease()) {\n            parts.on',
        'if (false) {\n            parts.on',
      ],
      [
        'failover/takeover.js',
        'if (!this.certain && !parts.holdsLease()) {\n            parts.on',
        'if (false) {\n            parts.on',
      ],
      [
        'failover/takeover.js',
        'if (!this.certain && !parts.holdsLease()) {\n            parts.ask',
        'if (false) {\n            parts.ask',
      ],
    ],
  },
  {
    name: 'L5-answers-at-once',
    what: 'a node that starts with a cache of its own does not listen for a herald first',
    changes: [['failover/node.js', 'limits_js_1.challengeMs', '1']],
  },
  {
    name: 'L6-unused-reign-wins',
    what: 'a reign that nobody used deposes one that went on',
    changes: [
      ['backup/lease/reign.js', 'if (theirs.changes === 0 && ours.changes > 0)', 'if (false)'],
      ['backup/lease/reign.js', 'if (ours.changes === 0 && theirs.changes > 0)', 'if (false)'],
    ],
  },
  {
    name: 'L6-loss-not-said',
    what: 'what is lost with a reign that gives way is not counted',
    changes: [
      ['backup/primary/primary.js', 'this.unacked.changesAt(acked)', 'this.parts.changes()'],
    ],
  },
  {
    name: 'L8-numbers-not-modulo',
    what: 'numbers of heartbeats are compared as if they did not outgrow the wire',
    changes: [
      [
        'backup/lease/beats.js',
        '(this.count - echo) >>> 0',
        'this.count - echo < 0 ? Infinity : this.count - echo',
      ],
    ],
  },
  {
    name: 'L9-refusal-is-proof',
    what: 'a refused connection is proof of a death on other machines, too',
    changes: [
      ['failover/losses.js', "return isHere ? 'nobody' : 'unreachable'", "return 'nobody'"],
    ],
  },
  {
    name: 'law3-no-barrier',
    what: 'a reply does not wait for its batch',
    changes: [
      [
        'backup/primary/primary.js',
        'this.replicas) < sequence ? sequence : 0',
        'this.replicas) < sequence ? 0 : 0',
      ],
    ],
  },
  {
    name: 'law4-not-fenced',
    what: 'the old primary writes on while the heir serves',
    changes: [['failover/takeover.js', 'parts.revoke();', '']],
  },
  {
    name: 'rule2-never-asks',
    what: 'a reply leaves on what was said, not on what was heard',
    changes: [
      [
        'backup/lease/primary-lease.js',
        "if (nowMs <= this.promisedMs || this.current !== 'counted')",
        'if (true)',
      ],
    ],
  },
  {
    name: 'rule4-synced-too-early',
    what: 'a copy is called whole before its last blocks have landed',
    changes: [['backup/primary/replica.js', '|| this.blocksAcked < resync.blocksSent', '']],
  },
  {
    name: 'rule7-half-a-copy',
    what: 'a copy that is not whole is served',
    changes: [
      ['backup/lease/standby-lease.js', "this.current !== 'copying' && this.holds(nowMs)", 'true'],
      ['failover/role.js', 'silence: silentFor(limits_js_1.copyingMs),', 'silence: silentWhole,'],
      ['failover/role.js', 'if (leaseLeftMs <= 0)\n        return doubtful;', ''],
    ],
  },
  {
    name: 'rule8-own-absence',
    what: 'a standby takes its own absence for the death of the primary',
    changes: [
      ['failover/detector.js', 'Math.min(silence, this.options.lookMs * awakeLooks)', 'silence'],
    ],
  },
  {
    name: 'rule9-promises-on',
    what: 'a standby that claims goes on to promise',
    changes: [
      ['backup/lease/standby-lease.js', "return this.current !== 'claiming';", 'return true;'],
    ],
  },
  {
    name: 'lease-no-hold',
    what: 'a primary that lost its standby answers at once',
    changes: [
      [
        'backup/lease/lease.js',
        'leaseMsOf(ackTimeoutMs) * (1 + limits_js_1.clockMargin)',
        '0 * ackTimeoutMs',
      ],
    ],
  },
  {
    name: 'lease-echo-overdue',
    what: 'a lease is given though an ack is overdue',
    changes: [
      [
        'backup/lease/primary-lease.js',
        'waitedMs + this.holdMs <= this.terms.ackTimeoutMs ? this.heardBeat : 0',
        'this.heardBeat',
      ],
    ],
  },
  {
    name: 'seek-itself',
    what: 'a node that looks for a primary may be led to itself',
    changes: [
      ['failover/candidates.js', 'if (this.isSelf(address))\n            return false;', ''],
      ['backup/primary/signpost.js', '(proof.epoch === 0 && link === where.link)', 'false'],
    ],
  },
  {
    name: 'seek-for-ever',
    what: 'nodes that all look for a primary, with nothing in hand, look for ever',
    changes: [['failover/node.js', 'this.candidates.areAllSeeking(now)', 'false']],
  },
];

/** Breaks a rule in all modules that are loaded from now on. Throws where a change finds no place, or several. */
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
