/**
 * A primary and its standby as two processes on this machine, sharing the clients' address. A node that dies is started
 * again as the new standby; a node that hangs is ended first, so that the address is free. The pair itself serves
 * nobody: when it is ended, both nodes are.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { secretDescriptor, secretVariable } from '../backup/channel/secret.js';
import { addressText } from '../src/flags/settings.js';
import type { Ports, Timers } from '../src/native/ports.js';
import type { Log } from '../src/process/log.js';
import type { Notice, Report } from './report.js';

export interface PairOptions {
  /** Time, timers and randomness. The processes themselves, and the signals to them, are the machine's. */
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  /** The program of a node: node's arguments before the node's own. */
  readonly program: readonly string[];
  /** Flags both nodes are started with: the clients' side and the mirror's. */
  readonly flags: readonly string[];
  /** Flags only a node that starts as primary takes: the geometry. */
  readonly primaryFlags: readonly string[];
  /** Where the nodes link; the loopback unless a device is to be used. */
  readonly linkHost?: string;
  readonly log: Log;
  /** Called with each report of a node. */
  readonly onReport?: (report: Report, member: Member) => void;
  /** Takes the output of the nodes; without it they print where the pair does. */
  readonly onOutput?: (text: string, member: Member) => void;
  /**
   * Both nodes are gone. `status`: the exit status of a first primary that never served, and has said why; null
   * otherwise.
   */
  readonly onEnd?: (reason: string, status: number | null) => void;
}

/** A node of the pair, and its process. */
export interface Member {
  readonly name: 'a' | 'b';
  readonly process: ChildProcess;
  role: 'primary' | 'standby';
  /** True while a standby's copy is whole, or a primary serves. */
  ready: boolean;
  /** Set once the node is being ended: its reports are not acted on from then on. */
  doomed: boolean;
  linkPort: number;
}

/** A standby that ended before it was in sync is started again after this long, doubled each time up to the most. */
const restartMsLeast = 100;
const restartMsMost = 10_000;
/**
 * Pause after a takeover, in which the clients come first: a starting node takes a processor for about as long, which
 * doubled the gap that clients saw on a machine with two processors.
 */
const replaceMs = 100;
/** Length of the secret that a pair draws. */
const secretBytes = 32;
/** How long a node may take to end in order. */
const endMs = 5000;
/** A signal that was sent to all processes of a pair reaches the pair itself within this. */
const askedMs = 200;

export class Pair {
  private readonly options: PairOptions;
  private readonly members: { a: Member | null; b: Member | null } = { a: null, b: null };
  /** Known to the two nodes only, as any user of this machine can connect to their link. */
  private readonly secret: Uint8Array;
  private ending = false;
  /** True once any node has served. */
  private served = false;
  /** Standbys in a row that ended before they were in sync. */
  private failures = 0;

  constructor(options: PairOptions) {
    this.options = options;
    this.secret = options.ports.random(secretBytes);
  }

  get primary(): Member | null {
    return this.find('primary');
  }

  get standby(): Member | null {
    return this.find('standby');
  }

  /** Starts the primary; the standby follows as soon as the primary serves. */
  start(): void {
    this.spawn('a', 'primary', this.options.primaryFlags);
  }

  /** Ends both nodes, the standby first so that it does not take over, and resolves when they are gone. */
  async end(): Promise<void> {
    this.ending = true;
    for (const member of [this.standby, this.primary]) {
      if (member !== null) await ended(member, this.timers);
    }
  }

  private find(role: Member['role']): Member | null {
    const { a, b } = this.members;
    if (a?.role === role) return a;
    return b?.role === role ? b : null;
  }

  /** Passes a signal on to both nodes. */
  signal(signal: NodeJS.Signals): void {
    this.members.a?.process.kill(signal);
    this.members.b?.process.kill(signal);
  }

  private spawn(name: Member['name'], role: Member['role'], flags: readonly string[]): void {
    const { program, log, onOutput } = this.options;
    const output = onOutput === undefined ? 'inherit' : 'pipe';
    const child = spawn(
      process.execPath,
      [...program, ...(role === 'standby' ? ['standby'] : []), ...flags, ...this.options.flags],
      {
        stdio: ['ignore', output, output, 'ipc', 'pipe'],
        env: {
          ...process.env,
          HOTSPARE_NODE: name,
          HOTSPARE_SUPERVISED: '1',
          [secretVariable]: String(secretDescriptor),
        },
      },
    );
    this.handOver(child);
    const member: Member = { name, process: child, role, ready: false, doomed: false, linkPort: 0 };
    this.members[name] = member;
    log.detail(`node ${name} started as ${role}, pid ${child.pid}`);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text, member));
    }
    child.on('error', (error) => log.say(`node ${name} cannot be started: ${error.message}`));
    child.on('message', (message) => this.heard(member, message as Report));
    child.on('exit', (code, signal) => {
      const reason = signal ?? `status ${code}`;
      this.exited(member, reason, code);
    });
  }

  private handOver(child: ChildProcess): void {
    const pipe = child.stdio[secretDescriptor] as Writable;
    // The node may end before it has read the secret.
    pipe.on('error', () => {});
    pipe.end(this.secret);
  }

  private heard(member: Member, report: Report): void {
    if (report.event === 'serving') {
      const delayMs = member.role === 'standby' ? replaceMs : 0;
      this.served = true;
      member.role = 'primary';
      member.ready = true;
      member.linkPort = report.linkPort;
      const other = this.other(member);
      if (other === null) this.timers.after(delayMs, () => this.startStandby(member));
    } else if (report.event === 'synced') {
      member.ready = true;
      this.failures = 0;
    } else if (report.event === 'copying') {
      member.ready = false;
    } else if (report.event === 'fence') {
      this.fence(member, report.untilMs);
    } else if (report.event === 'detached' && report.dropped) {
      this.endHung(this.other(member), member, 'it does not ack');
    } else if (report.event === 'asked') {
      this.asked(member, report.signal);
    }
    this.options.onReport?.(report, member);
  }

  /**
   * A standby asks to end the primary, which does not speak and may hold the address. Once the standby's lease is over
   * the primary may have gone on alone, and is not ended.
   */
  private fence(asker: Member, untilMs: number): void {
    if (asker.doomed) return;
    const other = this.other(asker);
    if (other === null) {
      notify(asker, { fenced: true });
    } else if (!other.doomed && this.options.ports.clock() >= untilMs) {
      this.options.log.say(`node ${asker.name} asks too late to take over: its lease is over`);
      notify(asker, { fenced: false });
    } else {
      other.process.once('exit', () => notify(asker, { fenced: true }));
      this.endHung(other, asker, 'it does not speak');
    }
  }

  /** Ends a hanging node for the sake of another that holds the cache. The last node that holds it is never ended. */
  private endHung(member: Member | null, other: Member, reason: string): void {
    if (member === null || member.doomed || !other.ready || other.doomed) return;
    member.doomed = true;
    member.process.kill('SIGKILL');
    this.options.log.say(`node ${member.name} hangs (${reason}): ended`);
  }

  /** A node was sent a signal. If all processes of the pair were, the pair is ending by then, in its own order. */
  private asked(member: Member, signal: string): void {
    this.timers.after(askedMs, () => {
      if (this.ending || member.doomed) return;
      this.options.log.say(`node ${member.name} was sent ${signal}, and ends`);
      notify(member, { end: true });
    });
  }

  private exited(member: Member, reason: string, code: number | null): void {
    this.members[member.name] = null;
    const other = this.other(member);
    if (this.ending) return;
    this.options.log.say(`node ${member.name} (${member.role}) ended: ${reason}`);
    if (other === null) {
      this.options.onEnd?.(
        'both nodes are gone, and the cache with them',
        this.served ? null : code,
      );
    } else if (other.role === 'primary' && other.ready) {
      notify(other, { standbyDead: true });
      const delayMs = member.role === 'primary' ? replaceMs : this.backOffMs(member);
      this.timers.after(delayMs, () => this.startStandby(other));
    } else if (!other.ready) {
      this.options.log.say(
        `node ${other.name} was not in sync yet: it will not serve half a cache`,
      );
      void ended(other, this.timers);
    }
  }

  /**
   * The pause before a standby is started again: a standby that cannot start must not take the processor from the
   * clients.
   */
  private backOffMs(standby: Member): number {
    if (standby.ready) return 0;
    const delayMs = Math.min(restartMsLeast * 2 ** this.failures, restartMsMost);
    this.failures++;
    this.options.log.say(
      `node ${standby.name} was never in sync (${this.failures} in a row): again in ${delayMs} ms`,
    );
    return delayMs;
  }

  private startStandby(primary: Member): void {
    const name = primary.name === 'a' ? 'b' : 'a';
    if (this.ending || this.members[name] !== null || this.members[primary.name] !== primary)
      return;
    const host = this.options.linkHost ?? '127.0.0.1';
    this.spawn(name, 'standby', ['--of', addressText(host, primary.linkPort)]);
  }

  private get timers(): Timers {
    return this.options.ports.timers;
  }

  private other(member: Member): Member | null {
    return this.members[member.name === 'a' ? 'b' : 'a'];
  }
}

/** Asks a process to end, then uses SIGKILL for one that does not. */
async function ended(member: Member, timers: Timers): Promise<void> {
  const { process: child } = member;
  member.doomed = true;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const forced = timers.after(endMs, () => child.kill('SIGKILL'));
  notify(member, { end: true });
  // A process that has only just started does not read notices yet, but ends by the signal.
  child.kill('SIGTERM');
  await once(child, 'exit');
  forced.cancel();
}

/** Sends a node a notice, if its process still runs. */
function notify(member: Member, notice: Notice): void {
  // An error is ignored, as the process may end at this very moment.
  if (member.process.connected) member.process.send(notice, () => {});
}
