/** The drill's clients, as the load of a test. */
import { Tally } from '../../failover/drill/client.js';
import { Random } from '../../failover/drill/random.js';
import { Traffic } from '../../failover/drill/traffic.js';

export interface Load {
  readonly traffic: Traffic;
  readonly tally: Tally;
}

const load = { connections: 6, keys: 60, valueBytes: 100, rate: 2000 };

/** Clients that are connected and have not begun. */
export async function clients(port: number, seed: number, rate = load.rate): Promise<Load> {
  const tally = new Tally();
  const traffic = new Traffic({ ...load, port, rate, random: new Random(seed), tally });
  await traffic.idle();
  return { traffic, tally };
}

/** The longest time between two answers that any client has seen since `watch`. */
export function longestGapMs({ traffic }: Load): number {
  return Math.max(...traffic.clients.map((client) => client.longestGapMs));
}

/** Clients whose connection broke since `watch`. */
export function broken({ traffic }: Load): number {
  return traffic.clients.filter((client) => client.reconnectedMs > 0).length;
}
