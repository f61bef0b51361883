/** Which batch those in sync have acked; and that a batch is sealed once, however many links there are. */
import { expect, test } from '@jest/globals';
import { Channel } from '../../backup/channel/channel.js';
import { FrameHeader, readHeader } from '../../backup/channel/frame.js';
import { TcpLink } from '../../backup/link/tcp.js';
import { ackedByAll } from '../../backup/primary/quorum.js';
import { machine } from '../../src/native/ports.js';
import type { Wire } from '../../src/net/wire.js';
import { Journal } from '../../src/store/journal.js';
import type { Region } from '../../src/store/region.js';

const member = (acked: number) => ({ acked, isMember: true });
const copying = (acked: number) => ({ acked, isMember: false });

test('without a member in sync nobody is waited for', () => {
  expect(ackedByAll(7, [])).toBe(7);
  expect(ackedByAll(7, [copying(3)])).toBe(7);
});

test('the slowest member decides, in whatever order they stand', () => {
  expect(ackedByAll(7, [member(5), member(6)])).toBe(5);
  expect(ackedByAll(7, [copying(1), member(6), member(5)])).toBe(5);
  expect(ackedByAll(7, [member(7), member(7)])).toBe(7);
});

test('each link sends the same bytes of a batch, which are sealed once', () => {
  const sent: Buffer[] = [];
  const send = (_: number, bytes: Uint8Array, from: number, length: number): void => {
    sent.push(Buffer.from(bytes.slice(from, from + length)));
  };
  const wire = { transport: { send }, ports: machine } as unknown as Wire;
  const owner = { frameReceived: () => {}, inputDrained: () => {}, channelLost: () => {} };
  const events = { opened: () => {}, refused: () => {}, acked: () => {}, broken: () => {} };
  const links = [1, 2].map(
    (connection) => new TcpLink(wire, new Channel(wire, connection, owner), {} as Region, events),
  );
  const journal = new Journal();
  journal.active = true;
  journal.range(4096, 64, new Int32Array(1024), 64);
  const batch = { journal, epoch: 3, sequence: 9, isSealed: false };
  links[0]!.sendBatch(batch);
  expect(batch.isSealed).toBe(true);
  // Were the second link to seal it anew, its checksum would be that of other bytes.
  journal.bytes[journal.at - 1]! ^= 0xff;
  links[1]!.sendBatch(batch);
  const [first, second] = sent;
  const header = new FrameHeader();
  for (const bytes of [first!, second!]) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    expect(readHeader(view, 0, header, 0)).toBeNull();
    expect([header.epoch, header.sequence, header.count]).toEqual([3, 9, 1]);
  }
  expect(second!.subarray(0, -1)).toEqual(first!.subarray(0, -1));
});
