/**
 * A node of a scenario: its machine, its command line, and its current process. It tells the checker what the node
 * reports of itself, and the content of its memory when it begins to serve.
 */

import { heartbeatBytes } from '../../backup/lease/heartbeat-times.js';
import type { MirrorSettings } from '../../backup/mirror-settings.js';
import type { Random } from '../../failover/drill/random.js';
import { Node } from '../../failover/node.js';
import type { Fenced, Report, WithoutTime } from '../../failover/report.js';
import { HotspareError } from '../../src/base/errors.js';
import { defaults, type Settings } from '../../src/flags/settings.js';
import type { FabricFunctions } from '../../src/native/fabric.js';
import type { Ports } from '../../src/native/ports.js';
import type { Checker, Reign } from './checker.js';
import { type Content, contentOf } from './content.js';
import { SimDisk, SimMemory } from './memory.js';
import type { SimNetwork } from './network.js';
import type { Call, Scenario } from './scenario.js';
import { Process, type Scheduler } from './scheduler.js';
import type { SimSupervisor } from './supervisor.js';
import { SimTransport } from './transport.js';

const MiB = 2 ** 20;
export const clientPort = 11_211;

const absent = { error: 'RDMA is not simulated', call: 'dlopen' } as const;
const noFabric: FabricFunctions = {
  fabricVersion: () => absent,
  fabricFind: () => absent,
  fabricOpen: () => absent,
};

export interface SlotParts {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly checker: Checker;
  readonly random: Random;
  readonly scenario: Scenario;
  readonly name: string;
  /** Its place among the nodes. */
  readonly number: number;
  /** The address of its machine. */
  readonly host: string;
  readonly port: number;
  readonly linkPort: number;
  /** The link address of the node that is started first, where standbys attach. */
  readonly firstLink: { readonly host: string; readonly port: number };
  /** The slot whose node lets standbys attach at this address. */
  slotAt(link: string): Slot | undefined;
  all(): readonly Slot[];
  /** Returns the supervisor of both nodes; null where there is none. */
  supervisor(): SimSupervisor | null;
  /** The reaction of a service manager to a process that has ended by itself. */
  startAgain(slot: Slot): void;
  trace(line: string): void;
}

export class Slot {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  node: Node | null = null;
  process: Process;
  /** True while another program holds the clients' address. */
  isTaken = false;
  /** Calls that a fault has made fail. */
  failures = 0;
  isSynced = false;
  /** True while the node holds a whole copy, or serves. */
  holds = false;
  private readonly parts: SlotParts;
  private readonly disk = new SimDisk();
  private memory: SimMemory | null = null;
  private transport: SimTransport | null = null;
  /** The reign whose cache this node holds a whole copy of, or has in its file. */
  private lineage: Reign | null = null;
  /** The node whose copy it holds, even before that node serves. */
  private syncedWith: Slot | null = null;
  private incarnation = 0;
  private isStarting = false;
  /** Calls that are to fail, each with the number of calls of its kind before it. */
  private readonly failing = new Map<Call, number>();
  /** True once a call of this process has failed. */
  private hasFailed = false;
  /** True once this process has held a whole copy, or reigned. */
  private hasHeld = false;

  constructor(parts: SlotParts) {
    this.parts = parts;
    this.name = parts.name;
    this.host = parts.host;
    this.port = parts.port;
    this.process = this.newProcess();
  }

  get isUp(): boolean {
    return this.node !== null;
  }

  /** Where other nodes attach to this one. */
  get link() {
    return { host: this.host, port: this.parts.linkPort };
  }

  get region() {
    return this.memory?.newest ?? null;
  }

  /** The values of the whole copy that this node holds as a standby in sync; null where it holds none. */
  get copy(): ReadonlyMap<string, number> | null {
    const { region } = this;
    return !this.isUp || !this.isSynced || region === null
      ? null
      : (contentOf(region)?.values ?? null);
  }

  /** Starts the process with its command line, or as a standby of another node (`of`). */
  start(of: { readonly host: string; readonly port: number } | null = null): void {
    const { number, firstLink, scenario } = this.parts;
    const { memoryMs } = scenario;
    this.incarnation++;
    this.process = this.newProcess();
    this.isSynced = false;
    this.holds = false;
    this.hasFailed = false;
    this.hasHeld = false;
    this.syncedWith = null;
    if (!this.hasFile) this.lineage = null;
    this.memory = new SimMemory(this.disk, this.process.timers, memoryMs, this.fails);
    const node = new Node({
      ports: this.ports(this.memory),
      settings: this.settings(),
      mirrorSettings: this.mirrorSettings(),
      log: {
        say: (line: string) => this.said(line),
        detail: (line: string) => this.parts.trace(`${this.name}: ${line}`),
      },
      report: (what) => {
        const { process } = this;
        process.act(() => {
          if (this.process === process && !process.ended) this.reported(what);
        });
      },
      diesFirstOutOfMemory: () => {},
      fence: this.fence(),
      fail: (error) => this.failed(error),
    });
    this.node = node;
    this.isStarting = true;
    try {
      if (of === null && number === 0) node.startPrimary();
      else node.startStandby(of ?? firstLink);
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.failed(error);
    }
    this.isStarting = false;
  }

  /** Kills the process. Its kernel closes its sockets and files, or its machine is gone with it (`off`). */
  kill(off: boolean): void {
    if (this.node === null) return;
    this.parts.trace(`${this.name}: ${off ? 'switched off' : 'killed'}`);
    this.end();
    if (off) {
      this.parts.network.switchOff(this.host);
      this.disk.files.clear();
      this.lineage = null;
    }
  }

  /** A primary that was in sync with this node begins to serve only now. */
  follow(primary: Slot): void {
    if (this.syncedWith === primary && this.lineage === null) this.lineage = primary.lineage;
  }

  /** True where other nodes can attach to this one. */
  get hasLinkPort(): boolean {
    return !this.parts.scenario.linkless.includes(this.name);
  }

  private get hasFile(): boolean {
    return this.parts.scenario.files.includes(this.name);
  }

  private end(): void {
    const { checker, scheduler } = this.parts;
    this.node = null;
    this.process.end();
    this.transport?.kill();
    this.memory?.end();
    checker.ends(this.name, scheduler.nowMs);
    checker.dies(scheduler.nowMs);
    this.parts.supervisor()?.exited(this);
  }

  private newProcess(): Process {
    const { scheduler, scenario, number, random } = this.parts;
    // The clock may show that the machine has just been started, or has run for a long time.
    return new Process(scheduler, scenario.clockRates[number] ?? 1, 1000 + random.next() * 1e7);
  }

  private ports(memory: SimMemory): Ports {
    const { network, random, host } = this.parts;
    const { process } = this;
    return {
      clock: () => process.clock(),
      wallMs: () => 1.7e12 + process.clock(),
      timers: process.timers,
      network: {
        transportCreate: (options, onTick) => {
          const parts = {
            network,
            process,
            host,
            faults: { isTaken: this.takes, fails: this.fails },
          };
          this.transport = new SimTransport(parts, options, onTick);
          return this.transport;
        },
        fabric: noFabric,
        isOwnAddress: (address) => address === host || address.startsWith('127.'),
      },
      memory,
      random: (bytes) => {
        const drawn = Buffer.from(Array.from({ length: bytes }, () => random.between(0, 255)));
        // These are the first numbers of heartbeats, some of which shall soon outgrow the wire's 32 bits.
        if (bytes === heartbeatBytes && random.next() < 0.3) {
          drawn.writeUInt32LE(2 ** 32 - 1 - random.between(0, 300));
        }
        return drawn;
      },
    };
  }

  /** The next call of this kind fails, after `after` that do not. */
  failCall(call: Call, after: number): void {
    this.failing.set(call, after);
  }

  /** Ends all faults that are still to come. */
  mend(): void {
    this.isTaken = false;
    this.failing.clear();
  }

  private readonly fails = (call: Call): boolean => {
    const left = this.failing.get(call);
    if (left === undefined) return false;
    this.failing.set(call, left - 1);
    if (left > 0) return false;
    this.failing.delete(call);
    this.hasFailed = true;
    this.failures++;
    this.parts.trace(`${this.name}: ${call} fails`);
    return true;
  };

  private readonly takes = (port: number): boolean => this.isTaken && port === this.port;

  private settings(): Settings {
    return {
      ...defaults,
      port: this.port,
      listen: [this.host],
      memoryBytes: 2 * MiB,
      connections: 32,
      memoryFile: this.hasFile ? 'region' : null,
      discardMemoryFile: this.hasFile,
    };
  }

  private mirrorSettings(): MirrorSettings {
    const { scenario, linkPort } = this.parts;
    return {
      linkListen: this.hasLinkPort ? { host: this.host, port: linkPort } : null,
      secret: Buffer.from('a secret of all nodes'),
      ack: 'sync',
      ackTimeoutMs: scenario.ackTimeoutMs,
      heartbeatMs: scenario.heartbeatMs,
      deadAfterMs: scenario.deadAfterMs,
      linkPreference: 'tcp',
      provider: null,
      spinUs: 0,
      cipher: 'none',
      standbysMost: scenario.supervised ? scenario.nodes.length - 1 : 1,
      standbysRequired: 0,
      node: `${this.name}${this.incarnation}`,
    };
  }

  private fence(): ((untilMs: number) => Promise<Fenced>) | null {
    const supervisor = this.parts.supervisor();
    if (supervisor === null) return null;
    const { process } = this;
    const rate = this.parts.scenario.clockRates[this.parts.number] ?? 1;
    return (untilMs) => supervisor.fence(this, (untilMs - process.clock()) / rate);
  }

  private said(line: string): void {
    const { checker, scheduler } = this.parts;
    this.parts.trace(`${this.name}: ${line}`);
    const gaveWay = /^deposed: epoch (\d+) reigns now.*?(?:; (\d+) changes .* lost)?$/.exec(line);
    if (gaveWay !== null) {
      const epoch = Number(gaveWay[1]);
      const above = checker.reigns.filter((one) => one.epoch === epoch && one.node !== this.name);
      // The report of a reign may arrive after the reign's end.
      const winner = above.findLast(({ endedMs }) => endedMs === null) ?? above.at(-1);
      const admitted = Number(gaveWay[2] ?? 0);
      checker.givesWay(this.name, winner ?? null, admitted, scheduler.nowMs);
      return;
    }
    if (line.startsWith('the cache is lost')) checker.loses(this.name);
    if (line.startsWith('not taking over: this node stood still')) {
      const old = this.hasLinkPort ? (this.syncedWith?.name ?? null) : null;
      checker.givesUp(this.name, old, scheduler.nowMs);
    }
    const standby = /^standby ([a-z]+)\d+ is in sync/.exec(line);
    if (standby !== null) checker.mirrors(this.name, standby[1]!, true);
    const gone = /^standby ([a-z]+)\d+ .*(serving alone|the other standbys go on)$/.exec(line);
    if (gone !== null) checker.mirrors(this.name, gone[1]!, false);
    const synced = /^in sync with ([\d.]+:\d+)/.exec(line);
    if (synced !== null) {
      this.isSynced = true;
      this.holds = true;
      this.hasHeld = true;
      const primary = this.parts.slotAt(synced[1]!);
      this.syncedWith = primary ?? null;
      this.lineage = primary === undefined ? null : checker.reignOf(primary.name);
    }
  }

  private reported(what: WithoutTime<Report>): void {
    const { checker, scheduler } = this.parts;
    this.parts.supervisor()?.heard(this, what);
    if (what.event === 'serving') {
      const content: Content | null = this.region === null ? null : contentOf(this.region);
      if (content === null) {
        checker.fail(`${this.name} serves from a region that is none`);
        return;
      }
      this.isSynced = false;
      const parent = this.lineage?.cache === content.cache ? this.lineage : null;
      const isOwn = !this.holds;
      this.holds = true;
      this.hasHeld = true;
      checker.begins(this.name, { ...content, parent, isOwn }, content.values, scheduler.nowMs);
      this.lineage = checker.reignOf(this.name);
      this.syncedWith = null;
      for (const slot of this.parts.all()) slot.follow(this);
      this.parts.trace(`${this.name}: reigns with epoch ${content.epoch}`);
    } else if (what.event === 'copying' || what.event === 'waiting') {
      this.isSynced = false;
      this.holds = false;
      this.syncedWith = null;
      if (what.event === 'copying') this.lineage = null;
    }
  }

  private failed(error: HotspareError): void {
    // A node that starts while another program holds its address ends, as memcached does, as it has nothing to lose. A
    // node ends, too, that cannot have memory and never had any.
    const cannot = this.isStarting || !this.hasHeld;
    if ((error.code === 'LISTEN' && this.isStarting) || (this.hasFailed && cannot)) {
      this.parts.trace(`${this.name}: ended: ${error.message}`);
      if (this.node !== null) this.end();
      this.parts.startAgain(this);
      return;
    }
    this.parts.checker.fail(`${this.name} ended by itself: ${error.message} (${error.remedy})`);
    if (this.node !== null) this.end();
  }
}
