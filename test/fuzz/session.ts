/**
 * One fuzzed connection, from its opening to its end. Its seed decides everything it sends; its number and the
 * seed of the run say which session failed. What it sent last is kept for the message.
 */
import { Client, type Cut, shown } from '../support/client.js';
import type { Server } from '../support/server.js';
import { within } from '../support/until.js';
import { halfSent, largeCommand, spoilt, validCommand } from './generator.js';
import { Grammar } from './grammar.js';
import { Random } from './random.js';

const ANSWER_MS = 10_000;
const CLOSE_MS = 10_000;
const SENT_KEPT = 3;
const BINARY_MAGIC = '\x80';

type Mode = (session: Session) => Promise<void>;

export class Session {
  readonly random: Random;
  readonly client: Client;
  readonly grammar = new Grammar();
  readonly #sent: string[] = [];
  #answersDue = 0;
  #first = true;

  private constructor(client: Client, random: Random) {
    this.client = client;
    this.random = random;
  }

  static async run(server: Server, seed: number, number: number): Promise<void> {
    const random = new Random(seed + Math.imul(number, 0x9e3779b1));
    const client = await Client.connect(server.host, server.port);
    const session = new Session(client, random);
    const [name, mode] = random.pick(modes);
    try {
      await mode(session);
    } catch (error) {
      const sent = session.#sent.map(shown).join('\n  ');
      throw new Error(
        `session ${number} (${name}): ${(error as Error).message}\n last sent:\n  ${sent}`,
      );
    } finally {
      client.close(random.chance(30));
    }
  }

  async send(text: string, answers = 0): Promise<void> {
    // A first byte of 0x80 would ask for the binary protocol, whose answers are another grammar.
    const sent = this.#first && text.startsWith(BINARY_MAGIC) ? `x${text}` : text;
    this.#first = false;
    this.#sent.push(sent);
    this.#sent.splice(0, this.#sent.length - SENT_KEPT);
    this.#answersDue += answers;
    await this.client.send(sent, this.#cut(sent.length));
    this.read();
  }

  /** Judges what has come so far. */
  read(): void {
    this.grammar.feed(this.client.take());
  }

  /** Waits for every answer that is due, and finds any that is not. */
  async readAnswers(): Promise<void> {
    for (;;) {
      this.read();
      if (this.grammar.ended >= this.#answersDue && this.grammar.between()) {
        break;
      }
      this.grammar.feed(
        await this.client.readUntil(
          `${this.#answersDue} answers (${this.grammar.ended} have come)`,
          (text) => text.length > 0,
          ANSWER_MS,
        ),
      );
    }
    if (this.grammar.ended !== this.#answersDue) {
      throw new Error(`${this.grammar.ended} answers to ${this.#answersDue} commands`);
    }
  }

  /** Ends this side; the server says what it still has to say, and closes. */
  async finish(): Promise<void> {
    this.client.finish();
    this.grammar.feed(await this.client.readClosed(CLOSE_MS));
  }

  #cut(length: number): Cut | undefined {
    switch (this.random.below(length > 20_000 ? 3 : 5)) {
      case 0:
      case 1:
        return undefined;
      case 2:
        return { pieceBytes: this.random.between(50, 2000), edgeBytes: 10_000 };
      case 3:
        return { pieceBytes: this.random.between(1, 50), edgeBytes: 500 };
      default:
        return { pieceBytes: 1, edgeBytes: 100 };
    }
  }
}

async function validOnly(session: Session): Promise<void> {
  for (let batches = session.random.between(1, 10); batches > 0; batches -= 1) {
    let sent = '';
    let answers = 0;
    for (let count = session.random.between(1, 30); count > 0; count -= 1) {
      const command = validCommand(session.random);
      sent += command.sent;
      answers += command.answers;
    }
    await session.send(sent, answers);
    if (session.random.chance(70)) {
      await session.readAnswers();
    }
  }
  await session.readAnswers();
}

async function large(session: Session): Promise<void> {
  for (let count = session.random.between(1, 4); count > 0; count -= 1) {
    const command = largeCommand(session.random);
    await session.send(command.sent, command.answers);
  }
  await session.readAnswers();
}

async function spoiltOnly(session: Session): Promise<void> {
  for (let count = session.random.between(1, 12); count > 0; count -= 1) {
    await session.send(spoilt(session.random));
  }
  if (session.random.chance(60)) {
    await session.finish();
  }
}

async function mixed(session: Session): Promise<void> {
  for (let count = session.random.between(1, 20); count > 0; count -= 1) {
    const { random } = session;
    await session.send(random.chance(70) ? validCommand(random).sent : spoilt(random));
  }
  if (session.random.chance(60)) {
    await session.finish();
  }
}

async function midway(session: Session): Promise<void> {
  const before = validCommand(session.random);
  await session.send(before.sent + halfSent(session.random));
  if (session.random.chance(50)) {
    await session.finish();
  }
}

/** Asks for much and does not read; the server must neither block the others nor keep it all in memory. */
async function slowReader(session: Session): Promise<void> {
  session.client.pause();
  const set = `set fuzzslow 0 0 100000\r\n${'s'.repeat(100_000)}\r\n`;
  const gets = session.random.between(10, 100);
  const sending = session.send(set + 'get fuzzslow\r\n'.repeat(gets), 1 + gets);
  if (session.random.chance(40)) {
    session.client.close(true);
    await sending;
    return;
  }
  await within('the sending to end', ANSWER_MS, sending);
  session.client.resume();
  await session.readAnswers();
}

const modes: readonly (readonly [string, Mode])[] = [
  ['valid', validOnly],
  ['valid', validOnly],
  ['spoilt', spoiltOnly],
  ['spoilt', spoiltOnly],
  ['mixed', mixed],
  ['mixed', mixed],
  ['midway', midway],
  ['large', large],
  ['slow reader', slowReader],
];
