/**
 * A primary and its standbys as processes on this machine, sharing the clients' address. A node that dies is started
 * again as the new standby; a node that hangs is ended first, so that the address is free. The pair itself serves
 * nobody: when it is ended, all nodes are.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { secretDescriptor, secretVariable } from '../backup/channel/secret.js';
import { addressText } from '../src/flags/settings.js';
import type { Ports, Timers } from '../src/native/ports.js';
import type { Log } from '../src/process/log.js';
import type { Notice, Report } from './report.js';
import {
  firstPair,
  type MemberName,
  type MemberState,
  observationOf,
  type PairAction,
  type PairObservation,
  type PairState,
  supervise,
} from './supervision.js';

export interface PairOptions {
  /** Time, timers and randomness. The processes themselves, and the signals to them, are the machine's. */
  readonly ports: Pick<Ports, 'clock' | 'timers' | 'random'>;
  /** The program of a node: node's arguments before the node's own. */
  readonly program: readonly string[];
  /** How many standbys there should be; one by default. */
  readonly standbys?: number;
  /** Flags all nodes are started with: the clients' side and the mirror's. */
  readonly flags: readonly string[];
  /** Flags only a node that starts as primary takes: the geometry. */
  readonly primaryFlags: readonly string[];
  /** Where the nodes link; the loopback unless a device is to be used. */
  readonly linkHost?: string;
  readonly log: Log;
  /** Called with each report of a node. */
  readonly onReport?: (report: Report, of: MemberName) => void;
  /** Takes the output of the nodes; without it they print where the pair does. */
  readonly onOutput?: (text: string, of: MemberName) => void;
  /**
   * All nodes are gone. `status`: the exit status of a first primary that never served, and has said why; null
   * otherwise.
   */
  readonly onEnd?: (reason: string, status: number | null) => void;
}

/** A node of the pair, as it was when it was asked for, and its process. */
export interface Member extends MemberState {
  readonly name: MemberName;
  readonly process: ChildProcess;
}

/** A process, and the port where standbys attach to it, and its epoch; 0 while it does not serve. */
interface NodeProcess {
  readonly child: ChildProcess;
  linkPort: number;
  epoch: number;
}

/** Length of the secret that a pair draws. */
const secretBytes = 32;
/** How long a node may take to end in order. */
const endMs = 5000;

export class Pair {
  private readonly options: PairOptions;
  private readonly processes = new Map<MemberName, NodeProcess>();
  private state: PairState;
  /** Known to the nodes only, as any user of this machine can connect to their link. */
  private readonly secret: Uint8Array;
  /** Called when all nodes are gone. */
  private ended: (() => void)[] = [];

  constructor(options: PairOptions) {
    this.options = options;
    this.state = firstPair(options.standbys);
    this.secret = options.ports.random(secretBytes);
  }

  get primary(): Member | null {
    return this.members('primary')[0] ?? null;
  }

  get standbys(): Member[] {
    return this.members('standby');
  }

  /** Starts the primary; its standbys follow as soon as it serves. */
  start(): void {
    this.observe({ what: 'begun' });
  }

  /** Ends all nodes, and resolves when they are gone. */
  end(): Promise<void> {
    this.observe({ what: 'stopped' });
    return new Promise((resolve) => {
      this.ended.push(resolve);
      this.sayWhenEnded();
    });
  }

  /** Passes a signal on to all nodes. */
  signal(signal: NodeJS.Signals): void {
    for (const { child } of this.processes.values()) child.kill(signal);
  }

  private members(role: Member['role']): Member[] {
    return [...this.processes].flatMap(([name, { child }]) => {
      const member = this.state.members[name];
      return member?.role === role ? { ...member, name, process: child } : [];
    });
  }

  private get linkHost(): string {
    return this.options.linkHost ?? '127.0.0.1';
  }

  private observe(seen: PairObservation): void {
    const { pair, actions } = supervise(this.state, seen);
    this.state = pair;
    for (const action of actions) this.carryOut(action);
  }

  private carryOut(action: PairAction): void {
    switch (action.act) {
      case 'startPrimary':
        this.spawn(action.name, 'primary', this.options.primaryFlags);
        return;
      case 'startStandby': {
        const { linkPort } = this.processes.get(action.of)!;
        this.spawn(action.name, 'standby', ['--of', addressText(this.linkHost, linkPort)]);
        return;
      }
      case 'kill':
        this.processes.get(action.name)!.child.kill('SIGKILL');
        return;
      case 'end':
        endInOrder(this.processes.get(action.name)!.child, this.options.ports.timers);
        return;
      case 'notify':
        notify(this.processes.get(action.name)!.child, action.notice);
        return;
      case 'lead': {
        const { linkPort, epoch } = this.processes.get(action.to)!;
        const link = addressText(this.linkHost, linkPort);
        notify(this.processes.get(action.name)!.child, { reigns: { epoch, link } });
        return;
      }
      case 'later':
        this.later(action.ms, action.seen);
        return;
      case 'say':
        this.options.log.say(action.text);
        return;
      default:
        this.options.onEnd?.(action.reason, action.status);
    }
  }

  private later(ms: number, seen: PairObservation): void {
    const node = 'of' in seen ? this.processes.get(seen.of) : null;
    this.options.ports.timers.after(ms, () => {
      if (!('of' in seen) || this.processes.get(seen.of) === node) this.observe(seen);
    });
  }

  private spawn(name: MemberName, role: Member['role'], flags: readonly string[]): void {
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
    const node = { child, linkPort: 0, epoch: 0 };
    this.processes.set(name, node);
    log.detail(`node ${name} started as ${role}, pid ${child.pid}`);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text, name));
    }
    child.on('error', (error) => {
      log.say(`node ${name} cannot be started: ${error.message}`);
      // No exit follows.
      if (child.pid === undefined) this.exited(name, 'it could not be started', null);
    });
    child.on('message', (message) => {
      // A report may be read only after its process is known to have ended.
      if (this.processes.get(name) === node) this.heard(name, node, message as Report);
    });
    child.on('exit', (status, signal) => this.exited(name, signal ?? `status ${status}`, status));
  }

  private handOver(child: ChildProcess): void {
    const pipe = child.stdio[secretDescriptor] as Writable;
    // The node may end before it has read the secret.
    pipe.on('error', () => {});
    pipe.end(this.secret);
  }

  private heard(of: MemberName, node: NodeProcess, report: Report): void {
    if (report.event === 'serving') {
      node.linkPort = report.linkPort;
      node.epoch = report.epoch;
    }
    const seen = observationOf(of, report, this.options.ports.clock());
    if (seen !== null) this.observe(seen);
    this.options.onReport?.(report, of);
  }

  private exited(of: MemberName, reason: string, status: number | null): void {
    this.processes.delete(of);
    this.observe({ what: 'exited', of, reason, status, nowMs: this.options.ports.clock() });
    this.sayWhenEnded();
  }

  private sayWhenEnded(): void {
    if (this.processes.size > 0) return;
    for (const ended of this.ended.splice(0)) ended();
  }
}

/** Asks a process to end, then uses SIGKILL for one that does not. */
function endInOrder(child: ChildProcess, timers: Timers): void {
  const forced = timers.after(endMs, () => child.kill('SIGKILL'));
  child.once('exit', () => forced.cancel());
  notify(child, { end: true });
  // A process that has only just started does not read notices yet, but ends by the signal.
  child.kill('SIGTERM');
}

/** Sends a node a notice, if its process still runs. */
function notify(child: ChildProcess, notice: Notice): void {
  // An error is ignored, as the process may end at this very moment.
  if (child.connected) child.send(notice, () => {});
}
