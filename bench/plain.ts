/** The work around a measurement: loading keys, reading them back, asking for stats. Over node:net, one connection. */
import net from 'node:net';
import { keyText, setText, Tag, valueText } from './requests.js';
import type { Workload } from './workloads.js';

const batchBytes = 4 * 2 ** 20;
const answerMs = 30_000;

export class Plain {
  private readonly socket: net.Socket;

  private constructor(socket: net.Socket) {
    this.socket = socket;
  }

  static connect(port: number): Promise<Plain> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(new Plain(socket)));
      socket.setNoDelay(true);
      socket.once('error', reject);
    });
  }

  /** Sets the keys of a workload, all or those from `from` on. */
  async load({ keys, valueBytes }: Workload, from = 0): Promise<void> {
    const perBatch = Math.max(1, Math.floor(batchBytes / (valueBytes + 64)));
    for (let first = from; first < keys; first += perBatch) {
      const numbers = range(first, Math.min(keys, first + perBatch));
      const sets = numbers.map((key) => setText(keyText(key), Tag.LOADED, valueBytes, true));
      const answer = await this.ask(`${sets.join('')}version\r\n`, '\r\n');
      if (!answer.startsWith('VERSION')) throw new Error(`the load failed: ${answer}`);
    }
  }

  /** Reads keys back: keys in `written` must hold the written value, others may also hold the loaded one. */
  async verify(workload: Workload, written: ReadonlySet<number>): Promise<void> {
    const { keys, valueBytes } = workload;
    const perGet = Math.max(1, Math.min(200, Math.floor(batchBytes / valueBytes)));
    for (let first = 0; first < keys; first += perGet) {
      const numbers = range(first, Math.min(keys, first + perGet));
      const answer = await this.ask(`get ${numbers.map(keyText).join(' ')}\r\n`, 'END\r\n');
      let at = 0;
      for (const number of numbers) {
        const key = keyText(number);
        const tags = written.has(number) ? [Tag.WRITTEN] : [Tag.LOADED, Tag.WRITTEN];
        const expected = tags.map(
          (tag) => `VALUE ${key} 0 ${valueBytes}\r\n${valueText(key, tag, valueBytes)}\r\n`,
        );
        const found = expected.find((item) => answer.startsWith(item, at));
        if (found === undefined) throw new Error(`${key} is lost or wrong after the run`);
        at += found.length;
      }
    }
  }

  async stats(): Promise<Map<string, string>> {
    const answer = await this.ask('stats\r\n', 'END\r\n');
    return new Map(
      answer
        .split('\r\n')
        .map((line) => line.split(' '))
        .filter((words) => words[0] === 'STAT')
        .map((words) => [words[1]!, words.slice(2).join(' ')]),
    );
  }

  close(): void {
    this.socket.destroy();
  }

  private ask(text: string, terminator: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const parts: string[] = [];
      const timer = setTimeout(() => reject(new Error('no answer')), answerMs);
      const onText = (part: Buffer): void => {
        parts.push(part.toString('latin1'));
        const tail = parts.slice(-3).join('');
        if (!tail.endsWith(terminator)) return;
        clearTimeout(timer);
        this.socket.off('data', onText);
        resolve(parts.join(''));
      };
      this.socket.on('data', onText);
      this.socket.write(text, 'latin1');
    });
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
