/** One-sided writes: in order, to this memory only, with this key only, until it is closed; and nothing is left. */
import { execFileSync, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Mailbox } from '../../backup/link/mailbox.js';
import { native } from '../../src/native/addon.js';
import { FabricCell, FabricEvent, FabricRefusal } from '../../src/native/fabric.js';
import type { WriterReport } from '../support/fabric-writer.js';
import { connected, End, fabricRegion, must, nowhere, record, span } from '../support/fabrics.js';
import { fencings, missing, provider } from '../support/links.js';
import { slowness, until } from '../support/until.js';

const cycles = Number(process.env['LINK_CYCLES'] ?? 1000);
const ends: End[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end.native.close();
});

function listening(): { writer: End; port: number } {
  const writer = new End(true, 0);
  ends.push(writer);
  return { writer, port: must(writer.native.listen()) };
}

async function two() {
  const { writer, port } = listening();
  const region = fabricRegion();
  const source = fabricRegion();
  const pair = await connected(writer, port, region);
  ends.push(pair.reader);
  const bytes = new Uint8Array(region.segments[0]!);
  const cells = writer.native.cells;
  const post = (list: Uint8Array, sequence: number): number =>
    writer.native.post(list, 0, list.length, sequence);
  const acked = (sequence: number) =>
    until('the ack', () => cells[FabricCell.ACKED_SEQUENCE]! >= sequence);
  return { ...pair, port, region, source, bytes, cells, post, acked };
}

const run = missing === null ? describe : describe.skip;

run('a batch', () => {
  test('is placed, and its sequence behind it', async () => {
    const { writer, source, region, parts, mailbox, post, acked, bytes, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    const letters = new Mailbox(mailbox, native.crc32c);
    expect([letters.sequence(), letters.beat(), letters.redo()]).toEqual([null, null, null]);
    const list = Buffer.concat([
      record(8192, Buffer.alloc(3000, 7)),
      record(8192 + 3000, Buffer.alloc(1000, 8)),
      record(4096, Buffer.from([1, 2, 3, 4])),
      record(0, Buffer.alloc(16, 9)),
    ]);
    expect(post(list, 5)).toBe(4);
    await acked(5);
    expect([bytes[2999], bytes[3000], bytes[3999], bytes[4000]]).toEqual([7, 8, 8, 0]);
    expect(new Uint8Array(region.head).slice(4096, 4100)).toEqual(new Uint8Array([1, 2, 3, 4]));
    expect(new Uint8Array(region.head)[15]).toBe(9);
    expect(cells[FabricCell.MERGED_RANGES]).toBe(2);
    writer.native.beat(3, 4_000_000_000);
    await until('the heartbeat', () => letters.beat()?.beat === 3);
    expect(letters.beat()).toEqual({ beat: 3, echo: 4_000_000_000, pulse: 0 });
    expect(letters.sequence()).toBe(5);
    post(new Uint8Array(0), 6);
    await acked(6);
    expect(letters.sequence()).toBe(6);
  });

  test('that is small is acked by one write, and placed behind it', async () => {
    const { writer, source, parts, mailbox, post, acked, bytes, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    const letters = new Mailbox(mailbox, native.crc32c);
    const list = Buffer.concat([
      record(8192, Buffer.alloc(112, 7)),
      record(4096, Buffer.alloc(4, 1)),
    ]);
    post(list, 1);
    expect([cells[FabricCell.WRITES], cells[FabricCell.REDO_BATCHES]]).toEqual([1, 1]);
    await acked(1);
    await until('its ranges', () => bytes[111] === 7 && cells[FabricCell.WRITES] === 3);
    expect(cells[FabricCell.COMPLETIONS]).toBe(1);
    expect(letters.redo()).toEqual({ sequence: 1, records: new Uint8Array(list) });
    post(record(4096, Buffer.alloc(4, 2)), 2);
    post(record(8192, Buffer.alloc(2000, 8)), 3);
    await acked(3);
    // What follows is not to be written over by it.
    expect(letters.redo()).toBe(null);
  });

  test('that is large is one write for each range; its sequence is mailed when it is asked for', async () => {
    const { writer, source, parts, mailbox, post, acked, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    const letters = new Mailbox(mailbox, native.crc32c);
    writer.native.tell();
    const word = record(4096, Buffer.alloc(4, 1));
    post(Buffer.concat([record(8192, Buffer.alloc(1000, 7)), word]), 1);
    await acked(1);
    // Where words may be torn, each stands in the redo before.
    const torn = provider !== 'verbs';
    expect(cells[FabricCell.WRITES]).toBe(torn ? 3 : 2);
    expect(letters.redo()).toEqual(torn ? { sequence: 0, records: new Uint8Array(word) } : null);
    expect([cells[FabricCell.COMPLETIONS], cells[FabricCell.REDO_BATCHES]]).toEqual([1, 0]);
    expect(letters.sequence()).toBe(null);
    writer.native.tell();
    await until('the letter', () => cells[FabricCell.TOLD_SEQUENCE] === 1);
    expect(letters.sequence()).toBe(1);
    // Long batches are a sign of life, too.
    for (let sequence = 2; sequence <= 40; sequence++)
      post(record(8192, Buffer.alloc(8000)), sequence);
    await acked(40);
    expect(letters.sequence()).toBeGreaterThan(1);
  });

  test('that is larger than every queue arrives whole', async () => {
    const { writer, source, parts, mailbox, post, acked, bytes } = await two();
    writer.native.aim(source.id, ...span, parts);
    const many = Array.from({ length: 5000 }, (_, i) =>
      record(8192 + 8 * i, Buffer.alloc(4, i % 251)),
    );
    for (let sequence = 1; sequence <= 10; sequence++) post(Buffer.concat(many), sequence);
    await acked(10);
    for (let i = 0; i < 5000; i++) expect(bytes[8 * i]).toBe(i % 251);
    // It was told meanwhile that the writer lives.
    expect(new Mailbox(mailbox, native.crc32c).beat()).toEqual({ beat: 0, echo: 0, pulse: 40 });
  });

  // Over verbs the device takes writes without the reader.
  (provider === 'tcp' ? test : test.skip)(
    'that the ring has no room for breaks the connection in its midst, and is not acked',
    async () => {
      const { writer, source, parts, post, acked, bytes, cells } = await two();
      writer.native.aim(source.id, ...span, parts);
      post(record(8192, Buffer.alloc(64, 9)), 1);
      await acked(1);
      // The reader has no turn in here: the ring is full until patience is over.
      let sequence = 1;
      while (cells[FabricCell.STAGING_STALLS] === 0 && sequence < 200) {
        const fill = Buffer.alloc(1000, ++sequence);
        const many = Array.from({ length: 500 }, (_, i) => record(8192 + 1004 * i, fill));
        post(Buffer.concat(many), sequence);
      }
      expect(cells[FabricCell.STAGING_STALLS]).toBe(1);
      const written = cells[FabricCell.WRITES];
      for (const list of [record(8192, Buffer.alloc(64, 1)), Buffer.alloc(0)])
        post(list, ++sequence);
      await until('the end', () => writer.has(FabricEvent.BROKEN));
      expect(cells[FabricCell.WRITES]).toBe(written);
      const last = cells[FabricCell.ACKED_SEQUENCE]!;
      expect(last).toBeLessThan(sequence - 2);
      expect(bytes[0]).toBeGreaterThanOrEqual(last);
    },
  );

  test('whose peer goes before its ranges are written ends with it, and nothing behind it is acked', async () => {
    for (let round = 0; round < 20; round++) {
      const { writer, reader, source, parts, post, cells } = await two();
      writer.native.aim(source.id, ...span, parts);
      const list = record(8192, Buffer.alloc(64, 1));
      post(list, 1);
      reader.native.close();
      for (let sequence = 2; sequence < 20; sequence++) expect(post(list, sequence)).toBe(1);
      await until('the end', () => writer.has(FabricEvent.BROKEN));
      expect(cells[FabricCell.ACKED_SEQUENCE]).toBeLessThan(19);
      for (const end of ends.splice(0)) end.native.close();
    }
  });

  test('lets the loop sleep, once it is placed', async () => {
    const { writer, source, parts, post, acked, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    for (const list of [record(8192, Buffer.alloc(64, 1)), record(8192, Buffer.alloc(4000, 1))]) {
      const sequence = cells[FabricCell.ACKED_SEQUENCE]! + 1;
      post(list, sequence);
      await acked(sequence);
      writer.native.beat(1, 1);
      const begun = performance.eventLoopUtilization();
      await until('the loop to sleep', () => {
        const { active, idle } = performance.eventLoopUtilization(begun);
        return active + idle > 50 && idle > active;
      });
    }
  });

  test('that is malformed, or reaches what is the node’s own, is refused', async () => {
    const { writer, source, parts, post, region } = await two();
    writer.native.aim(source.id, ...span, parts);
    expect(post(Buffer.alloc(5), 1)).toBe(-1);
    expect(post(record(2 ** 20, Buffer.alloc(4)), 2)).toBe(-1);
    for (const offset of [2044, 2048, 4092]) {
      expect(post(record(offset, Buffer.alloc(8, 1)), 3)).toBe(-1);
    }
    expect(writer.native.block(2048, 2048)).toBe(false);
    expect(new Uint8Array(region.head).every((byte) => byte === 0)).toBe(true);
  });

  test('that does not follow the one before is refused, and those that do go on', async () => {
    const { writer, source, parts, post, acked, bytes } = await two();
    writer.native.aim(source.id, ...span, parts);
    const [one, other] = [record(8192, Buffer.alloc(64, 1)), record(8192, Buffer.alloc(64, 2))];
    expect(post(one, 7)).toBe(1);
    for (const sequence of [1, 6, 7, 9, 2 ** 40]) {
      expect(post(other, sequence)).toBe(FabricRefusal.OUT_OF_ORDER);
    }
    expect(post(record(8192, Buffer.alloc(2000, 3)), 8)).toBe(1);
    await acked(8);
    expect([bytes[0], bytes[1999]]).toEqual([3, 3]);
  });

  test('before the connection carries is refused, not dropped', async () => {
    const { writer, port } = listening();
    const [region, source] = [fabricRegion(), fabricRegion()];
    const list = record(8192, Buffer.alloc(64, 1));
    const { native: end } = writer;
    const refused = (): void => {
      expect(end.post(list, 0, list.length, 1)).toBe(FabricRefusal.UNCONNECTED);
      expect([end.block(8192, 64), end.beat(1, 1), end.tell()]).toEqual([false, false, false]);
    };
    end.aim(source.id, ...span, nowhere);
    refused();
    const { parts, reader } = await connected(writer, port, region);
    ends.push(reader);
    end.aim(source.id, ...span, parts);
    expect(end.post(list, 0, list.length, 1)).toBe(1);
    await until('the ack', () => end.cells[FabricCell.ACKED_SEQUENCE] === 1);
    // Of one that has ended nobody is told how it ended, and the next one need not go on counting.
    end.disconnect();
    refused();
  });

  // As soon as the request is accepted the peer may say where its memory is, before this end knows that it is there.
  test('behind an accept, before CONNECTED, is refused, not dropped', async () => {
    const { writer, port } = listening();
    const [region, source] = [fabricRegion(), fabricRegion()];
    const list = record(8192, Buffer.alloc(64, 1));
    const answers: number[] = [];
    const { native: end } = writer;
    end.aim(source.id, ...span, nowhere);
    writer.accepted = () => answers.push(end.post(list, 0, list.length, 1));
    const { parts, reader, mailbox } = await connected(writer, port, region);
    ends.push(reader);
    end.aim(source.id, ...span, parts);
    expect(answers).toEqual([FabricRefusal.UNCONNECTED]);
    end.post(list, 0, list.length, 1);
    await until('the ack', () => end.cells[FabricCell.ACKED_SEQUENCE] === 1);
    expect(new Mailbox(mailbox, native.crc32c).redo()?.sequence).toBe(1);
  });

  test('on a connection that broke is written nowhere, and never acked', async () => {
    const { writer, reader, source, parts, post, acked, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    const list = record(8192, Buffer.alloc(64, 1));
    post(list, 1);
    await acked(1);
    reader.native.close();
    await until('the end', () => writer.has(FabricEvent.BROKEN));
    const written = cells[FabricCell.WRITES];
    // Small ones and large ones, with and without ranges.
    const lists = [list, Buffer.alloc(0), record(8192, Buffer.alloc(8000, 2)), list];
    lists.forEach((one, at) => {
      expect(post(one, at + 2)).toBe(one.length === 0 ? 0 : 1);
    });
    expect([writer.native.block(8192, 4096), writer.native.beat(1, 1)]).toEqual([true, true]);
    expect(writer.native.tell()).toBe(true);
    expect([cells[FabricCell.ACKED_SEQUENCE], cells[FabricCell.WRITES]]).toEqual([1, written]);
  });

  test('blocks are written from where they stand', async () => {
    const { writer, source, parts, bytes, cells } = await two();
    writer.native.aim(source.id, ...span, parts);
    new Uint8Array(source.segments[0]!).fill(3);
    expect(writer.native.block(8192, 2 ** 20 - 8192)).toBe(true);
    await until('the block', () => cells[FabricCell.ACKED_BLOCKS] === 1);
    expect(bytes.every((byte) => byte === 3)).toBe(true);
  });
});

run('memory', () => {
  test('that takes the redo, and not its ranges, is known with the next heartbeat', async () => {
    const { writer, source, parts, post, acked, bytes } = await two();
    const mailbox = parts.at(-1)!;
    const wrong = parts.map((part) => ({ ...part, key: String(BigInt(part.key) ^ 1n) }));
    writer.native.aim(source.id, ...span, [...wrong.slice(0, -1), mailbox]);
    post(record(8192, Buffer.alloc(64, 1)), 1);
    await acked(1);
    writer.native.beat(1, 0);
    await until('the end', () => writer.has(FabricEvent.BROKEN));
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('is not written with a wrong key', async () => {
    const { writer, source, parts, post, bytes } = await two();
    const wrong = parts.map((part) => ({ ...part, key: String(BigInt(part.key) ^ 1n) }));
    writer.native.aim(source.id, ...span, wrong);
    post(record(8192, Buffer.alloc(4096, 1)), 1);
    await until('the end', () => writer.has(FabricEvent.BROKEN));
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('nor with the key of an earlier session', async () => {
    const first = await two();
    first.reader.native.close();
    await until('the end', () => first.writer.has(FabricEvent.BROKEN));
    const again = await connected(first.writer, first.port, first.region);
    ends.push(again.reader);
    first.writer.native.aim(first.source.id, ...span, first.parts);
    expect(again.parts.map((part) => part.key)).not.toEqual(first.parts.map((part) => part.key));
    first.post(record(8192, Buffer.alloc(4096, 1)), 1);
    await until('the end', () => first.writer.has(FabricEvent.BROKEN));
    expect(first.bytes.every((byte) => byte === 0)).toBe(true);
  });

  test('is offered to nobody without the token', async () => {
    const { writer, port } = listening();
    writer.token = Buffer.from('the right one');
    const reader = new End(false, port);
    ends.push(reader);
    must(reader.native.connect(Buffer.from('the wrong one'), 0, 13));
    await until('the refusal', () => reader.has(FabricEvent.BROKEN));
    expect(writer.has(FabricEvent.CONNECTED)).toBe(false);
  });

  test(
    `that is closed with writes in flight takes not one more byte, ${fencings} times`,
    async () => {
      for (let round = 0; round < fencings; round++) await closeInFlight();
    },
    (10_000 + fencings * 20_000) * slowness,
  );

  test(
    `is given back: nothing is left after ${cycles} sessions`,
    async () => {
      const { writer, port } = listening();
      const region = fabricRegion();
      const source = fabricRegion();
      const list = record(8192, Buffer.alloc(4096, 1));
      const session = async (): Promise<void> => {
        const { reader, parts } = await connected(writer, port, region);
        writer.native.aim(source.id, ...span, parts);
        // Some writes are on their way when it ends.
        for (let sequence = 1; sequence <= 3; sequence++) {
          writer.native.post(list, 0, list.length, sequence);
        }
        writer.native.block(8192, 2 ** 19);
        reader.native.close();
        await until('the end', () => writer.has(FabricEvent.BROKEN), { everyMs: 1 });
        writer.native.disconnect();
      };
      for (let i = 0; i < 5; i++) await session();
      const before = held();
      for (let i = 0; i < cycles; i++) await session();
      // A device gives back a little later than it is told to.
      await until('all to be given back', () => isDeepStrictEqual(held(), before)).catch(() => {});
      expect(held()).toEqual(before);
      native.regionClose(region.id);
      native.regionClose(source.id);
    },
    (10_000 + cycles * 50) * slowness,
  );
});

/** A process that is started waits for its turn on a machine that others use. */
const patient = { withinMs: 20_000 * slowness };

/** Another process writes at full rate; at some moment its memory is closed, and is then as it will be for ever. */
async function closeInFlight(): Promise<void> {
  const child = fork(join(__dirname, '../support/fabric-writer.js'));
  try {
    const reports: WriterReport[] = [];
    child.on('message', (report) => reports.push(report as WriterReport));
    const port = await until(
      'the port',
      () => reports.find((one) => one.port !== undefined)?.port,
      patient,
    );
    const region = fabricRegion();
    const reader = new End(false, port);
    ends.push(reader);
    const { parts } = must(reader.native.expose(region.id, ...span));
    must(reader.native.connect(Buffer.alloc(1), 0, 1));
    await until('a connection', () => reader.has(FabricEvent.CONNECTED), patient);
    child.send(parts);
    const written = () => reports.some((one) => one.acked !== undefined);
    await until('writes', written, { ...patient, everyMs: 1 });
    reader.native.revoke();
    const bytes = Buffer.from(new Uint8Array(region.head)).toString('hex');
    const noticed = () => reports.some((one) => one.broken !== undefined);
    await until('the writer to notice', noticed, patient);
    // It has ended by itself: nothing of it can be on its way.
    await until('its end', () => child.exitCode !== null, patient);
    expect(Buffer.from(new Uint8Array(region.head)).toString('hex')).toBe(bytes);
    reader.native.close();
    native.regionClose(region.id);
  } finally {
    child.kill('SIGKILL');
  }
}

/** What the kernel, and the device where there is one, hold for this process. */
function held(): unknown {
  const status = readFileSync('/proc/self/status', 'utf8');
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    locked: /VmLck:\s+(\d+)/.exec(status)?.[1],
    pinned: /VmPin:\s+(\d+)/.exec(status)?.[1],
    device: provider === 'verbs' ? String(execFileSync('rdma', ['resource', 'show'])) : '',
  };
}
