/**
 * Free TCP ports on the loopback. A port is free when it is handed out; between that and its use another
 * process may take it, so whoever starts a server on one is ready to try again with the next (server.ts).
 */
import { createServer } from 'node:net';

export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') {
        reject(new Error('a TCP listener without a port'));
        return;
      }
      server.close(() => resolve(address.port));
    });
  });
}
