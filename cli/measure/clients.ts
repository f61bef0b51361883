/**
 * `hotspare bench puts-only | gets-only | puts-gets`: one client of a server that speaks memcached's protocol, with a
 * number of requests under way, and the latency of each.
 */
import { connect, type Socket } from 'node:net';
import { HotspareError } from '../../src/base/errors.js';
import { addressText } from '../../src/flags/settings.js';
import { monotonicMs } from '../../src/native/clock.js';

export type Mix = 'puts-only' | 'gets-only' | 'puts-gets';

export interface ClientOptions {
  readonly mix: Mix;
  readonly host: string;
  readonly port: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly count: number;
  readonly outstanding: number;
}

export interface Measured {
  readonly ns: number;
  /** The latency of each request, in ns, in order. */
  readonly latencies: Float64Array;
}

/** Keys that are written and read in turn. */
const keys = 1000;
/** A put and the get behind it have the same key. */
const requestsPerKey = 2;
/** A miss is shorter than the answer that is awaited, and shows as a timeout. */
const answerMs = 5_000;

export async function measureClient(options: ClientOptions): Promise<Measured> {
  const socket = connect(options.port, options.host);
  try {
    socket.setNoDelay(true);
    socket.setTimeout(answerMs, () => socket.destroy(new Error(`no answer in ${answerMs} ms`)));
    // The keys that are read must exist.
    if (options.mix !== 'puts-only') {
      await run(socket, { ...options, mix: 'puts-only', count: keys * requestsPerKey });
    }
    return await run(socket, options);
  } finally {
    socket.destroy();
  }
}

function run(socket: Socket, options: ClientOptions): Promise<Measured> {
  const { count, outstanding, mix, host, port } = options;
  const sentMs = new Float64Array(count);
  const latencies = new Float64Array(count);
  const requests = requestsOf(options);
  let sent = 0;
  let answered = 0;
  let owed = 0;
  const begun = monotonicMs();
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(
        new HotspareError(
          'LINK_UNREACHABLE',
          `${addressText(host, port)}: ${why}`,
          'start a server there',
        ),
      );
    const send = (): void => {
      while (sent < count && sent - answered < outstanding) {
        sentMs[sent] = monotonicMs();
        socket.write(requests.text(sent, isPut(mix, sent)));
        sent++;
      }
    };
    const take = (bytes: Buffer): void => {
      owed += bytes.length;
      // Answers are counted by length: a miss, an error, or an answer of another length is not taken for one.
      for (;;) {
        const length = requests.answerBytes(isPut(mix, answered));
        if (answered >= sent || owed < length) break;
        owed -= length;
        latencies[answered] = (monotonicMs() - sentMs[answered]!) * 1e6;
        answered++;
      }
      if (answered === sent && owed > 0)
        fail(`an answer that was not expected: ${bytes.subarray(-80)}`);
      if (answered < count) {
        send();
        return;
      }
      socket.off('data', take);
      resolve({ ns: Math.round((monotonicMs() - begun) * 1e6), latencies });
    };
    socket.on('data', take);
    socket.once('error', (error) => fail(error.message));
    socket.once('close', () => fail('it closed the connection'));
    send();
  });
}

function isPut(mix: Mix, number: number): boolean {
  return mix === 'puts-only' || (mix === 'puts-gets' && number % 2 === 0);
}

function requestsOf({ keyBytes, valueBytes }: ClientOptions) {
  const value = 'v'.repeat(valueBytes);
  const keyOf = (number: number): string => {
    const digits = String(Math.floor(number / requestsPerKey) % keys);
    return digits.padStart(keyBytes, 'k');
  };
  return {
    text: (number: number, put: boolean): string =>
      put ? `set ${keyOf(number)} 0 0 ${valueBytes}\r\n${value}\r\n` : `get ${keyOf(number)}\r\n`,
    answerBytes: (put: boolean): number =>
      put
        ? 'STORED\r\n'.length
        : `VALUE  0 ${valueBytes}\r\n\r\nEND\r\n`.length + keyBytes + valueBytes,
  };
}
