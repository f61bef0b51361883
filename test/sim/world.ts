/**
 * Runs a scenario: real nodes on simulated machines, clients, faults, and the checker that is told of all events. One
 * scenario has one history.
 */
import { Random } from '../../failover/drill/random.js';
import type { MemberName } from '../../failover/supervision.js';
import { Checker, type Contact } from './checker.js';
import { type ClientParts, Reader, Writer } from './clients.js';
import { contentOf, difference } from './content.js';
import { Forward } from './forward.js';
import { SimNetwork } from './network.js';
import type { Fault, Scenario } from './scenario.js';
import { Process, Scheduler } from './scheduler.js';
import { Slot } from './slot.js';
import { SimSupervisor } from './supervisor.js';

export interface Outcome {
  readonly violations: readonly string[];
  readonly takeovers: number;
  readonly answers: number;
  readonly events: number;
  /** Calls that a fault has made fail. */
  readonly failures: number;
  /** The history, line by line. */
  readonly trace: readonly string[];
}

/** Once everything is mended, the nodes must come to rest within this. */
const restMs = 30_000;
/** Nodes are at rest once they have seemed so for this long. */
const lastingMs = 1000;
/** How often a busy processor turns to another process, and the share of its time that the others have. */
const busyTurnMs = 20;
const busyShare = 0.75;
const linesKept = 3000;
/** How often silences are looked for; a shorter one may be missed. */
const watchMs = 10;
/** Longest pause of a reader between two requests. */
const readerThinkMs = 40;
const clientHost = '10.0.1.1';
const clientPortFirst = 11_211;
const linkPortFirst = 12_211;
const forwardPort = 13_211;

export async function play(scenario: Scenario): Promise<Outcome> {
  const world = new World(scenario);
  try {
    await world.run();
  } catch (error) {
    world.checker.fail(`an error: ${(error as Error).stack}`);
  }
  return world.outcome();
}

class World {
  readonly checker: Checker;
  private readonly scenario: Scenario;
  private readonly random: Random;
  private readonly scheduler = new Scheduler();
  private readonly network: SimNetwork;
  private readonly slots: readonly Slot[];
  /** Port forwards to the first node, by the node on whose machine they are. */
  private readonly forwards = new Map<string, Forward>();
  private readonly supervisor: SimSupervisor | null;
  private readonly clients: (Reader | Writer)[] = [];
  private readonly lines: string[] = [];
  private readonly contact = new Together();
  private isMended = false;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    this.random = new Random(scenario.seed ^ 0x5eed);
    const { scheduler, random } = this;
    // A silence may have begun before the way was clear again, and a lost segment is sent again later.
    const needlessMs = scenario.lostPercent > 0 ? Infinity : scenario.deadAfterMs + 1500;
    this.checker = new Checker(this.contact, needlessMs, (node) => this.slot(node).copy);
    this.network = new SimNetwork(scheduler, random, scenario.delayMs, scenario.lostPercent);
    this.slots = scenario.nodes.map((name, number) => this.slotOf(name, number));
    this.supervisor = scenario.supervised ? this.newSupervisor() : null;
  }

  async run(): Promise<void> {
    const { scenario, scheduler, slots } = this;
    if (this.supervisor !== null) this.supervisor.start();
    else for (const slot of slots) scheduler.after(slot === slots[0] ? 0 : 200, () => slot.start());
    this.startClients();
    this.watch();
    for (const fault of scenario.faults) scheduler.after(fault.atMs, () => this.strike(fault));
    await this.runUntil(scenario.faultsEndMs);
    this.mend();
    await this.comeToRest(scenario.faultsEndMs + restMs);
    if (this.failed) return;
    for (const client of this.clients) client.end();
    // The cache's time goes on, and is mirrored once a second, so a moment is awaited in which nothing is on its way.
    await this.runUntil(scheduler.nowMs + 500);
    await this.runUntil(scheduler.nowMs + 3000, () => this.isAtRest() && this.differing() === '');
    if (!this.failed) this.judgeContent();
  }

  /** Waits for a rest that lasts, as a link that has just broken may look whole to both ends. */
  private async comeToRest(untilMs: number): Promise<void> {
    const { scheduler } = this;
    while (!this.failed) {
      await this.runUntil(untilMs, () => this.isAtRest());
      if (!this.isAtRest() && scheduler.nowMs >= untilMs) {
        this.checker.fail(`not at rest ${restMs} ms after all faults: ${this.standing()}`);
      }
      const lastsMs = scheduler.nowMs + lastingMs;
      await this.runUntil(lastsMs, () => !this.isAtRest());
      if (scheduler.nowMs >= lastsMs && this.isAtRest()) return;
    }
  }

  outcome(): Outcome {
    const { violations, takeovers, answers } = this.checker;
    const failures = this.slots.reduce((sum, slot) => sum + slot.failures, 0);
    const { events } = this.scheduler;
    return { violations, takeovers, answers, events, failures, trace: this.lines };
  }

  private get failed(): boolean {
    return this.checker.violations.length > 0;
  }

  private runUntil(atMs: number, done: () => boolean = () => false): Promise<void> {
    return this.scheduler.run(atMs, () => this.failed || done());
  }

  private slotOf(name: string, number: number): Slot {
    const { scheduler, network, checker, random, scenario } = this;
    const host = scenario.oneMachine ? '10.0.0.1' : `10.0.0.${number + 1}`;
    // Nodes of one machine take each other's place at one address for clients.
    const port = clientPortFirst + (scenario.supervised || !scenario.oneMachine ? 0 : number);
    const link = { host: '10.0.0.1', port: linkPortFirst };
    const isForwarded = scenario.forwarded?.includes(name) === true;
    const firstLink = isForwarded ? { host, port: forwardPort } : link;
    if (isForwarded) {
      const forward = new Forward(network, new Process(scheduler, 1, 0), firstLink, link);
      this.forwards.set(name, forward);
      forward.open();
    }
    return new Slot({
      scheduler,
      network,
      checker,
      random,
      scenario,
      name,
      number,
      host,
      port,
      linkPort: linkPortFirst + number,
      firstLink,
      all: () => this.slots,
      slotAt: (link) => this.slotAt(link),
      supervisor: () => this.supervisor,
      startAgain: (slot) => this.startAgain(slot, 100),
      trace: (line) => this.trace(line),
    });
  }

  /** The slot whose node is mirrored at this address. */
  private slotAt(link: string): Slot | undefined {
    if ([...this.forwards.values()].some(({ host, port }) => link === `${host}:${port}`)) {
      return this.slots[0];
    }
    return this.slots.find((one, at) => link === `${one.host}:${linkPortFirst + at}`);
  }

  private newSupervisor(): SimSupervisor {
    const { scheduler, random } = this;
    const slots = new Map(this.slots.map((slot) => [slot.name as MemberName, slot]));
    return new SimSupervisor({ scheduler, random, slots, trace: (line) => this.trace(line) });
  }

  private strike(fault: Fault): void {
    if (this.isMended) return;
    const { network, scheduler } = this;
    this.trace(JSON.stringify(fault));
    const later = 'forMs' in fault ? fault.forMs : 0;
    const undo = (run: () => void): void => {
      scheduler.after(later, () => {
        if (!this.isMended) run();
      });
    };
    switch (fault.kind) {
      case 'kill':
      case 'off': {
        const slot = this.slot(fault.node);
        if (!slot.isUp) return;
        slot.kill(fault.kind === 'off');
        this.startAgain(slot, fault.downMs);
        return;
      }
      case 'pause': {
        const slot = this.slot(fault.node);
        slot.process.pause(fault.forMs);
        return;
      }
      case 'busy':
        this.keepBusy(this.slot(fault.node), scheduler.nowMs + fault.forMs);
        return;
      case 'cut': {
        const [from, to] = [this.slot(fault.from).host, this.slot(fault.to).host];
        const ways = fault.oneWay
          ? [[from, to] as const]
          : ([
              [from, to],
              [to, from],
            ] as const);
        for (const [one, other] of ways) network.cut(one, other, true);
        undo(() => {
          for (const [one, other] of ways) network.cut(one, other, false);
        });
        return;
      }
      case 'reset':
        network.reset(this.slot(fault.from).host, this.slot(fault.to).host);
        this.contact.mute(fault.from, fault.to, scheduler.nowMs);
        this.contact.mute(fault.to, fault.from, scheduler.nowMs);
        return;
      case 'taken': {
        const slot = this.slot(fault.node);
        slot.isTaken = true;
        undo(() => {
          slot.isTaken = false;
        });
        return;
      }
      case 'reject': {
        const { host } = this.slot(fault.node);
        network.reject(host, true);
        undo(() => network.reject(host, false));
        return;
      }
      case 'unforwarded': {
        const forward = this.forwards.get(fault.node)!;
        forward.end();
        undo(() => forward.open());
        return;
      }
      case 'fails':
        this.slot(fault.node).failCall(fault.call, fault.after);
        return;
      case 'late':
        this.slot(fault.node).process.delayTimers(fault.forMs);
        for (const { name } of this.slots) {
          if (name === fault.node) continue;
          this.contact.mute(fault.node, name, scheduler.nowMs + fault.forMs);
          this.contact.mute(name, fault.node, scheduler.nowMs + fault.forMs);
        }
        return;
      case 'deaf':
        this.supervisor?.process.pause(fault.forMs);
        return;
      case 'stall':
        this.slot(fault.node).process.stallAfter(fault.looks, fault.forMs);
        return;
      default: {
        const [from, to] = [this.slot(fault.from).host, this.slot(fault.to).host];
        network.slowDown(from, to, fault.delayMs);
        // A late segment keeps all later ones behind it.
        const lateMs = scheduler.nowMs + fault.forMs + fault.delayMs;
        for (const one of this.slots) {
          for (const other of this.slots) {
            const isSlow = one.host === from && other.host === to;
            if (isSlow) this.contact.mute(one.name, other.name, lateMs);
          }
        }
        undo(() => network.slowDown(from, to, 0));
      }
    }
  }

  /** Keeps the processor from a node's process for most of the time. */
  private keepBusy(slot: Slot, untilMs: number): void {
    if (this.isMended || this.scheduler.nowMs >= untilMs) return;
    slot.process.pause(busyTurnMs * busyShare);
    this.scheduler.after(busyTurnMs, () => this.keepBusy(slot, untilMs));
  }

  /** Starts a node again with the same command line, as a service manager does; a supervisor starts its own nodes. */
  private startAgain(slot: Slot, downMs: number): void {
    if (this.supervisor !== null) return;
    this.scheduler.after(downMs, () => {
      if (slot.isUp) return;
      this.network.switchOn(slot.host);
      this.trace(`${slot.name}: started`);
      slot.start();
    });
  }

  private mend(): void {
    this.isMended = true;
    this.trace('all is mended');
    this.network.mend();
    for (const forward of this.forwards.values()) forward.open();
    for (const slot of this.slots) {
      slot.mend();
      if (!slot.isUp) this.startAgain(slot, 0);
    }
  }

  private startClients(): void {
    const { scenario, scheduler, random, checker, network } = this;
    const process = new Process(scheduler, 1, 0);
    const keys: string[] = [];
    const connect: ClientParts['connect'] = (node, events) => {
      const { host, port } = this.slot(node);
      let connected = false;
      const socket = network.connect(clientHost, host, port, (errno) => {
        if (errno !== 0) {
          events.closed();
          return;
        }
        connected = true;
        const { owner } = socket.peer!;
        events.opened(this.slots.find(({ process }) => process === owner)?.name ?? node);
      });
      socket.end = {
        readable: () => {
          if (connected) events.data(socket.read(socket.inboxBytes).toString('latin1'));
        },
        closed: () => events.closed(),
      };
      return {
        send: (text) => socket.send(Buffer.from(text, 'latin1')),
        close: () => socket.close(),
      };
    };
    const { nodes } = scenario;
    for (let number = 0; number < scenario.writers + scenario.readers; number++) {
      const isWriter = number < scenario.writers;
      const parts: ClientParts = {
        name: `${isWriter ? 'w' : 'r'}${number}`,
        random,
        checker,
        timers: process.timers,
        nowMs: () => scheduler.nowMs,
        nodes,
        connect,
        thinkMs: isWriter ? scenario.writerThinkMs : readerThinkMs,
        reconnects: scenario.reconnects === true,
        patienceMs: scenario.patienceMs,
        keys,
      };
      const client = isWriter ? new Writer(parts) : new Reader(parts);
      this.clients.push(client);
      client.start();
    }
  }

  /** True when one node serves, and its cache is on another as well. */
  private isAtRest(): boolean {
    const { slots, checker } = this;
    if (slots.some((slot) => slot.process.isPaused)) return false;
    const reigning = slots.filter((slot) => checker.reignOf(slot.name) !== null);
    // Two caches whose epochs do not tell which one is later stay beside each other (FAILOVER.md).
    const caches = new Set(reigning.map((slot) => checker.reignOf(slot.name)!.cache));
    if (reigning.length > 1 && caches.size === reigning.length) return true;
    if (reigning.length !== 1) return false;
    // Nobody can attach to it.
    if (!reigning[0]!.hasLinkPort) return true;
    const others = slots.filter((slot) => slot !== reigning[0]);
    const { size } = checker.reignOf(reigning[0]!.name)!.standbys;
    const inSync = others.filter((slot) => slot.isSynced).length;
    const wanted = this.scenario.supervised ? others.length : 1;
    return size >= wanted && inSync >= wanted;
  }

  private standing(): string {
    return this.slots
      .map((slot) => {
        const reign = this.checker.reignOf(slot.name);
        if (reign !== null) return `${slot.name} reigns (epoch ${reign.epoch})`;
        return `${slot.name} ${slot.isUp ? (slot.isSynced ? 'is in sync' : 'is up') : 'is down'}`;
      })
      .join(', ');
  }

  /** Judges that acknowledged writes are there, and that all copies are the same. */
  private judgeContent(): void {
    const { slots, checker } = this;
    const [primary, second] = slots.filter((slot) => checker.reignOf(slot.name) !== null);
    if (primary === undefined || second !== undefined) return;
    const reign = checker.reignOf(primary.name)!;
    const content = contentOf(primary.region!);
    for (const [key, serial] of reign.acknowledged) {
      const found = content?.values.get(key) ?? 0;
      if (found < serial) checker.fail(`at rest ${key} is ${found}, ${serial} was acknowledged`);
    }
    const differing = this.differing();
    if (differing !== '') checker.fail(differing);
  }

  /** Names a copy that differs from the serving node's; empty when there is none. */
  private differing(): string {
    const { slots, checker } = this;
    const primary = slots.find((slot) => checker.reignOf(slot.name) !== null);
    for (const slot of slots) {
      if (primary === undefined || slot === primary || !slot.isSynced) continue;
      const at = difference(primary.region!, slot.region!);
      if (at >= 0) return `the copy of ${slot.name} differs at byte ${at}`;
    }
    return '';
  }

  /** Notes, again and again, which nodes cannot hear each other. */
  private watch(): void {
    const { slots, network, scheduler, contact } = this;
    contact.at(scheduler.nowMs);
    for (const one of slots) {
      const isAway = !one.isUp || one.process.isPaused;
      for (const other of slots) {
        if (one === other) continue;
        const isForwardGone = [one, other].some(
          ({ name }) => this.forwards.get(name)?.isOpen === false,
        );
        const isCut = isForwardGone || !network.isClear(one.host, other.host);
        if (isCut) contact.cut(one.name, other.name);
        const isMute = isAway || isCut;
        if (isMute) contact.mute(one.name, other.name, scheduler.nowMs);
      }
    }
    scheduler.after(watchMs, () => this.watch());
  }

  private slot(name: string): Slot {
    return this.slots.find((slot) => slot.name === name)!;
  }

  private trace(line: string): void {
    this.lines.push(`${this.scheduler.nowMs.toFixed(2).padStart(10)} ${line}`);
    if (this.lines.length > linesKept) this.lines.splice(0, linesKept / 2);
  }
}

/** Since when nodes have been able to hear each other. */
class Together implements Contact {
  /** When each node was last unable to hear another. */
  private readonly muteMs = new Map<string, number>();
  /** When the network between two nodes was last cut, by the name of either. */
  private readonly cutMs = new Map<string, Map<string, number>>();
  private nowMs = 0;

  mute(speaker: string, listener: string, untilMs: number): void {
    const way = `${speaker} ${listener}`;
    this.muteMs.set(way, Math.max(untilMs, this.muteMs.get(way) ?? 0));
  }

  cut(one: string, other: string): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const cuts = this.cutMs.get(from) ?? new Map<string, number>();
      this.cutMs.set(from, cuts.set(to, this.nowMs));
    }
  }

  cutsOf(node: string): ReadonlyMap<string, number> {
    return new Map(this.cutMs.get(node));
  }

  at(nowMs: number): void {
    this.nowMs = nowMs;
  }

  heardMs(speaker: string, listener: string): number {
    return this.nowMs - (this.muteMs.get(`${speaker} ${listener}`) ?? 0);
  }

  togetherMs(one: string, other: string): number {
    return Math.min(this.heardMs(one, other), this.heardMs(other, one));
  }
}
