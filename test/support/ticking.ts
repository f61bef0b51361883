/**
 * Sessions whose ticks are counted: a store, an executor and as much of a wire as a session asks for. Its clock
 * advances by a millisecond with each reading, so a tick ends after the same number of readings on any machine.
 */
import { Budget } from '../../src/base/budget.js';
import { copyBytesPerTick, tickMs } from '../../src/base/limits.js';
import { Executor } from '../../src/commands/execute.js';
import { Session } from '../../src/commands/session.js';
import type { SessionServer } from '../../src/commands/session-server.js';
import type { Wire } from '../../src/net/wire.js';
import { Output } from '../../src/protocol/reply.js';
import { Counters } from '../../src/stats/counters.js';
import type { Geometry } from '../../src/store/layout.js';
import { alone } from '../../src/store/mirror.js';
import type { Store } from '../../src/store/store.js';
import { SmallStore } from './small-store.js';

const inputBytes = 2 ** 20;
/** Where the input of each connection begins. */
const areaBytes = 2 ** 17;
const outputBytes = 2 ** 22;

/** Looks at the clock that one connection of a tick has, if it is alone. */
export const looksPerTick = tickMs;

export class Ticking {
  readonly small: SmallStore;
  readonly store: Store;
  readonly executor: Executor;
  /** Ticks so far. */
  ticks = 0;
  private readonly server: SessionServer;
  private readonly input = new Uint8Array(inputBytes + 64);
  private readonly output = new Output(new ArrayBuffer(outputBytes));
  private readonly wire;
  private nowMs = 0;

  constructor(geometry: Geometry, evict = true) {
    this.small = new SmallStore({ geometry, evict, patient: true });
    this.store = this.small.store;
    this.executor = new Executor(this.store, this.output, new Counters(), true);
    const { executor, output } = this;
    executor.line.bytes = this.input;
    executor.line.view = new DataView(this.input.buffer);
    this.wire = {
      input: executor.line.bytes,
      inputView: executor.line.view,
      output,
      connection: 0,
      again: false,
      answered: false,
      budget: new Budget(() => this.nowMs++),
      isFull: () => !output.hasRoom(),
      close: () => {},
    };
    const { wire } = this;
    executor.observer.scene = {
      wallMs: () => 0,
      descriptor: () => 1,
      wrote: (full) => (full ? wire.budget.end() : wire.budget.weigh()),
    };
    this.store.onEffort = () => wire.budget.weigh();
    executor.copies.connection = () => wire.connection;
    executor.copies.share = () => wire.budget.shareOf(copyBytesPerTick);
    this.server = {
      wire: wire as unknown as Wire,
      executor,
      mirror: alone,
      authentication: null,
      seconds: 0,
      statSource: {
        settings: { protocol: 'ascii', watch: true, idleSeconds: 0 },
        counters: executor.counters,
        transportCounters: new Float64Array(32),
        usage: () => ({ userUs: 0, systemUs: 0, pid: 1 }),
        uptimeSeconds: () => 0,
      },
      onClosed: () => {},
      connectionLines: () => this.connections(),
    } as unknown as SessionServer;
  }

  /** Lines of `stats conns`; a test replaces it. */
  connections(): Iterator<string> {
    return ([] as string[])[Symbol.iterator]();
  }

  session(number = 0): Session {
    return new Session(number, this.server);
  }

  /**
   * Serves the requests of these connections, tick by tick, until all of them are executed. Returns the answers to each
   * in each tick, and calls `between` after each tick.
   */
  serve(sent: readonly (readonly [Session, string])[], between: () => void = () => {}): string[][] {
    const left = sent.map(([, text]) => Buffer.from(text, 'latin1'));
    const answers: string[][] = [];
    while (left.some((rest) => rest.length > 0)) {
      this.ticks++;
      this.output.at = 0;
      this.executor.lookahead.begin(areaBytes * left.length);
      this.input.fill(0);
      this.wire.budget.begin(left.length, this.nowMs++);
      answers.push(left.map((rest, i) => this.row(sent[i]![0], rest, i, left)));
      between();
    }
    return answers;
  }

  private row(session: Session, rest: Buffer, row: number, left: Buffer[]): string {
    const { wire, input, output } = this;
    const at = row * areaBytes;
    const length = Math.min(rest.length, areaBytes - 64);
    input.set(rest.subarray(0, length), at);
    const before = output.at;
    wire.budget.serveNext();
    wire.again = false;
    wire.connection = session.connection;
    const done = length === 0 ? 0 : session.data(at, length, false);
    left[row] = rest.subarray(done);
    if (length > 0 && done === 0 && !wire.again) throw new Error('the rest is never executed');
    return Buffer.from(output.bytes.subarray(before, output.at)).toString('latin1');
  }
}
