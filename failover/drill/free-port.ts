/** A port for a server that others must be told of before it runs. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the ports that outgoing connections take by themselves. */
const portLeast = 15_000;
const portMost = 32_000;

/**
 * A free port that the kernel gives to no outgoing connection and to no listener that leaves the choice to it. On
 * another port a client that is refused may connect to itself, and hold the port that the standby needs.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(portLeast, portMost);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
