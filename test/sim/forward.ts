/**
 * A port forward: a listener on one machine, with a way of its own to a port of another (`ssh -L`). When it ends, its
 * own machine breaks what came there, and refuses what comes; its far end notices later.
 */
import type { Acceptor, SimNetwork, Socket } from './network.js';
import type { Process } from './scheduler.js';

/** How long the far end takes to notice that the near one has ended. */
const noticedMs = 300;

export class Forward implements Acceptor {
  readonly host: string;
  readonly port: number;
  readonly owner: Process;
  isOpen = false;
  private readonly network: SimNetwork;
  private readonly to: { readonly host: string; readonly port: number };
  private pairs: { readonly near: Socket; readonly far: Socket }[] = [];

  constructor(network: SimNetwork, owner: Process, from: Forward['to'], to: Forward['to']) {
    this.network = network;
    this.owner = owner;
    this.host = from.host;
    this.port = from.port;
    this.to = to;
  }

  open(): void {
    if (this.isOpen) return;
    this.isOpen = true;
    this.network.listen(this);
  }

  end(): void {
    this.isOpen = false;
    this.network.unlisten(this);
    const pairs = this.pairs.splice(0);
    for (const { near, far } of pairs) {
      far.end = { readable: () => far.read(far.inboxBytes), closed: () => {} };
      near.end = null;
      near.reset();
    }
    this.network.scheduler.after(noticedMs, () => {
      for (const { far } of pairs) far.reset();
    });
  }

  accept(near: Socket): void {
    const { network, host, to } = this;
    const far = network.connect(host, to.host, to.port, (errno) => {
      if (errno !== 0) near.close();
      else join(near, far);
    });
    near.end = { readable: () => {}, closed: () => far.close() };
    this.pairs.push({ near, far });
  }
}

function join(near: Socket, far: Socket): void {
  for (const [from, into] of [
    [near, far],
    [far, near],
  ] as const) {
    const readable = (): void => into.send(from.read(from.inboxBytes));
    from.end = { readable, closed: () => into.close() };
    if (from.inboxBytes > 0) readable();
  }
}
