/**
 * Runs one case of the table against one server: sends its steps, cut as told, and compares every reply.
 */
import { Client, type Cut, shown } from '../support/client.js';
import type { Server } from '../support/server.js';
import { until } from '../support/until.js';
import { Reader } from './parser.js';
import { type Case, type Expected, type Poll, type Split, type Text, version } from './table.js';

/** A machine that others use may take so long for a value of a megabyte, sent byte by byte at its edges. */
const REPLY_MS = 10_000;
const EDGE_BYTES = 1024;

export async function runCase(server: Server, row: Case, split: Split): Promise<void> {
  if (row.flags === undefined) {
    await empty(server);
  }
  const client = await Client.connect(server.host, server.port);
  try {
    let seen: Record<string, string> = {};
    const reader = new Reader();
    const cut = cutOf(split, row.huge === true);
    for (const [index, step] of row.steps.entries()) {
      if ('poll' in step) {
        await poll(client, step);
        continue;
      }
      await client.send(resolve(step[0], seen), cut);
      if (row.end === 'finish' && index === row.steps.length - 1) {
        client.finish();
      }
      const answer = await reply(client, resolve(step[1], seen), `step ${index + 1}`);
      seen = { ...seen, ...answer.captures };
      if (row.end !== 'hangup') reader.read(answer.bytes);
    }
    reader.done();
    await check(client, row.end ?? 'open');
  } finally {
    client.close();
  }
}

/** Waits for the reply that `expected` describes; gives it, and the pattern's captures. */
export async function reply(client: Client, expected: string | RegExp, where: string) {
  if (typeof expected === 'string') {
    // A text is compared as it comes: the first wrong byte ends the wait.
    const wanted = Buffer.from(expected, 'latin1');
    const bytes = await client.readLike(`${where}: ${shown(expected)}`, wanted, REPLY_MS);
    if (!bytes.equals(wanted)) {
      throw new Error(`${where}:\n expected ${shown(expected)}\n received ${shown(bytes)}`);
    }
    return { bytes, captures: {} };
  }
  const matches = (text: string): boolean => expected.test(text);
  const got = await client.readUntil(`${where}: ${expected}`, matches, REPLY_MS);
  return { bytes: got, captures: expected.exec(got.toString('latin1'))?.groups ?? {} };
}

async function poll(client: Client, step: Poll): Promise<void> {
  const answers = [step.whilst, step.until];
  await until(
    `${shown(step.poll)} to be answered ${shown(step.until)}`,
    async () => {
      await client.send(step.poll);
      const got = await client.readUntil(
        `an answer to ${shown(step.poll)}`,
        (text) => answers.includes(text) || !answers.some((answer) => answer.startsWith(text)),
        REPLY_MS,
      );
      const text = got.toString('latin1');
      if (!answers.includes(text)) {
        throw new Error(`${shown(step.poll)} was answered ${shown(text)}`);
      }
      return text === step.until;
    },
    { withinMs: step.withinMs, everyMs: 20 },
  );
}

async function check(client: Client, end: NonNullable<Case['end']>): Promise<void> {
  if (end === 'open') {
    await client.send('version\r\n');
    await reply(client, version, 'the version at the end');
  } else if (end !== 'hangup') {
    const rest = await client.readClosed(REPLY_MS);
    if (rest.length > 0) {
      throw new Error(`before it closed, the server sent ${shown(rest)}`);
    }
  }
}

/** A case begins with an empty cache; one with flags does not, because of -F and -C: its keys are its own. */
async function empty(server: Server): Promise<void> {
  const client = await Client.connect(server.host, server.port);
  try {
    await client.send('flush_all\r\n');
    await client.readLine(REPLY_MS);
  } finally {
    client.close();
  }
}

function resolve(text: Text, seen: Record<string, string>): string;
function resolve(text: Expected, seen: Record<string, string>): string | RegExp;
function resolve(text: Expected, seen: Record<string, string>): string | RegExp {
  return typeof text === 'function' ? text(seen) : text;
}

function cutOf(split: Split, huge: boolean): Cut | undefined {
  if (split === 'whole') {
    return undefined;
  }
  const pieceBytes = split === 'sevens' ? 7 : 1;
  return huge ? { pieceBytes, edgeBytes: EDGE_BYTES } : { pieceBytes };
}
