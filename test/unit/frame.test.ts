/** Frames of the node-to-node connection: what is sealed is read back, and nothing else is taken for a frame. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  FrameHeader,
  FrameType,
  frameHeaderBytes,
  isIntact,
  payloadBytesMax,
  readHeader,
  sealFrame,
} from '../../backup/channel/frame.js';
import { native } from '../../src/native/addon.js';

const checksum = native.crc32c;

function sealed(type: number, payload: Uint8Array, sequence = 7, at = 0) {
  const bytes = new Uint8Array(at + frameHeaderBytes + payload.length);
  bytes.set(payload, at + frameHeaderBytes);
  const view = new DataView(bytes.buffer);
  const fields = { type, epoch: 3, count: 2, sequence, length: payload.length };
  sealFrame(bytes, view, at, fields, checksum);
  return { bytes, view };
}

describe('a frame', () => {
  test('is read back as it was sealed, wherever it stands', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 500 }),
      fc.maxSafeNat(),
      fc.nat(40),
      (payload, sequence, at) => {
        const { bytes, view } = sealed(FrameType.BATCH, payload, sequence, at);
        const header = new FrameHeader();
        expect(readHeader(view, at, header)).toBeNull();
        const { type, epoch, count, length } = header;
        expect({ type, epoch, count, length }).toEqual({
          type: FrameType.BATCH,
          epoch: 3,
          count: 2,
          length: payload.length,
        });
        expect(header.sequence).toBe(sequence);
        expect(isIntact(bytes, view, at, header, checksum)).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('with any one bit flipped is not taken', () => {
    const payload = Uint8Array.from({ length: 24 }, (_, i) => i);
    const { bytes } = sealed(FrameType.BATCH, payload);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const view = new DataView(flipped.buffer);
      const header = new FrameHeader();
      const fault = readHeader(view, 0, header);
      const whole = frameHeaderBytes + header.length <= flipped.length;
      const taken = fault === null && whole && isIntact(flipped, view, 0, header, checksum);
      expect([bit, taken]).toEqual([bit, false]);
    }
  });

  test('of a type that carries nothing may not be long; no frame may be longer than the limit', () => {
    const header = new FrameHeader();
    const long = sealed(FrameType.ACK, new Uint8Array(8));
    expect(readHeader(long.view, 0, header)).toBe('length');
    const { view } = sealed(FrameType.BATCH, new Uint8Array(0));
    view.setUint32(24, payloadBytesMax + 100, true);
    expect(readHeader(view, 0, header)).toBe('length');
  });

  test('of another protocol, version or type is named so', () => {
    const header = new FrameHeader();
    const { view } = sealed(FrameType.HEARTBEAT, new Uint8Array(0));
    view.setUint16(4, 99, true);
    expect(readHeader(view, 0, header)).toBe('version');
    view.setUint32(0, 0x20746567, true);
    expect(readHeader(view, 0, header)).toBe('magic');
    const other = sealed(FrameType.HEARTBEAT, new Uint8Array(0)).view;
    other.setUint16(6, Math.max(...Object.values(FrameType)) + 1, true);
    expect(readHeader(other, 0, header)).toBe('type');
  });
});
