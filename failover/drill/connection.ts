/**
 * A client's connection: sends requests, takes replies in order, and connects anew when it breaks. Replies are read by
 * memcache-parser, which is another author's reading of the protocol.
 *
 * It reconnects at once when the server closes it, and about every millisecond while it is refused.
 */
import net from 'node:net';
import { MemcacheParser, type ParserPendingData } from 'memcache-parser';
import type { ItemRead } from './history.js';

/** A reply: its last line, and the items or statistics before it. */
export interface Reply {
  readonly status: string;
  readonly items: readonly ItemRead[];
  readonly stats: ReadonlyMap<string, string>;
}

export interface ConnectionEvents {
  /** Requests may be sent. Earlier requests without an answer never get one. */
  opened(): void;
  /** A reply has come; called before `receive` of its request. */
  answered(): void;
}

const retryMs = 1;
const host = '127.0.0.1';

export class Connection {
  private readonly port: number;
  private readonly events: ConnectionEvents;
  private socket: net.Socket | null = null;
  private waiting: ((reply: Reply) => void)[] = [];
  private ended = false;
  private corked: string[] = [];
  isOpen = false;

  constructor(port: number, events: ConnectionEvents) {
    this.port = port;
    this.events = events;
  }

  /** Requests that were sent and not answered. */
  get outstanding(): number {
    return this.waiting.length;
  }

  open(): void {
    if (this.ended) return;
    const socket = net.connect({ host, port: this.port, noDelay: true });
    this.socket = socket;
    this.waiting = [];
    let refused = true;
    socket.on('connect', () => {
      // A port of the ephemeral range can connect to itself while nobody listens there.
      if (socket.localPort === this.port) {
        socket.destroy();
        return;
      }
      refused = false;
      this.isOpen = true;
      const parser = new Parser((reply) => this.answer(reply));
      socket.on('data', (bytes) => parser.onData(bytes));
      this.events.opened();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isOpen = false;
      this.corked = [];
      if (refused) setTimeout(() => this.open(), retryMs);
      else this.open();
    });
  }

  /** Sends a request; `receive` gets its reply, unless the connection breaks before. */
  send(request: string, receive: (reply: Reply) => void): void {
    this.waiting.push(receive);
    this.corked.push(request);
    if (this.corked.length === 1) queueMicrotask(() => this.flush());
  }

  end(): void {
    this.ended = true;
    this.socket?.destroy();
  }

  /** Sends all requests of one turn of the loop in one packet. */
  private flush(): void {
    if (this.corked.length === 0) return;
    this.socket!.write(this.corked.join(''), 'latin1');
    this.corked = [];
  }

  private answer(reply: Reply): void {
    const receive = this.waiting.shift();
    if (receive === undefined) throw new Error(`nobody asked for the reply ${reply.status}`);
    this.events.answered();
    receive(reply);
  }
}

/** Turns lines and data blocks into replies. */
class Parser extends MemcacheParser {
  private readonly receive: (reply: Reply) => void;
  private items: ItemRead[] = [];
  private stats = new Map<string, string>();

  constructor(receive: (reply: Reply) => void) {
    const complain = (message: string): never => {
      throw new Error(`the reply is not memcached's: ${message}`);
    };
    super({ error: complain, warn: complain, info: () => {}, debug: () => {} });
    this.receive = receive;
  }

  override processCmd(tokens: string[]): number {
    if (tokens[0] === 'VALUE') {
      this.initiatePending(tokens, Number(tokens[3]));
    } else if (tokens[0] === 'STAT') {
      this.stats.set(tokens[1]!, tokens.slice(2).join(' '));
    } else {
      const { items, stats } = this;
      this.items = [];
      this.stats = new Map();
      this.receive({ status: tokens.join(' '), items, stats });
    }
    return tokens.length;
  }

  override receiveResult(result: ParserPendingData | string): void {
    const { cmdTokens, data } = result as ParserPendingData;
    const [, key, flags, , cas] = cmdTokens;
    this.items.push({
      key: key!,
      flags: Number(flags),
      cas: Number(cas ?? 0),
      value: data!.toString('latin1'),
    });
  }
}
