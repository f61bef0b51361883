/**
 * Compares the peer's clock with ours, to the second: clients' absolute expiry times mean the same on both only if the
 * clocks agree.
 */
import { connect } from 'node:net';
import { address } from '../../src/flags/settings.js';
import { wallSeconds } from '../../src/native/clock.js';
import type { Finding } from './finding.js';

const answerMs = 3000;
/** Differences up to this are not seen, as times have whole seconds, and the answer takes a moment. */
const secondsUnseen = 1;

export async function clock(peer: string): Promise<Finding> {
  const what = 'clock';
  const { host, port } = address(peer, 11211);
  let theirs: number;
  try {
    theirs = await timeOf(host, port);
  } catch (error) {
    const found = `${peer} does not say its time: ${(error as Error).message}`;
    return { what, state: 'note', found, remedy: 'name the clients’ port of a node with --peer' };
  }
  const seconds = Math.abs(theirs - wallSeconds());
  const good = seconds <= secondsUnseen;
  return {
    what,
    state: good ? 'good' : 'note',
    found: good ? `as ${peer}, to the second` : `${seconds} s from ${peer}`,
    remedy: good ? '' : 'set both clocks alike, as NTP does',
  };
}

function timeOf(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write('stats\r\n'));
    let text = '';
    socket.setTimeout(answerMs, () => socket.destroy(new Error('no answer')));
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      const time = /^STAT time (\d+)\r$/m.exec(text)?.[1];
      if (time === undefined) return;
      socket.destroy();
      resolve(Number(time));
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('it closed the connection')));
  });
}
