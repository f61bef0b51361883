/** Where a node that was deposed looks for the one that reigns; and what it sees where it connects. */
import { describe, expect, test } from '@jest/globals';
import { Attachment, type AttachmentParts } from '../../failover/attachment.js';
import type { Observation } from '../../failover/role.js';
import type { Endpoint } from '../../src/net/wire.js';

/** A node that can be met at its link port, as one that was deposed can. */
function attachment(linkPort: number): Attachment {
  const isOwnAddress = (host: string): boolean => host === '10.0.0.1';
  const parts = {
    wire: { ports: { network: { isOwnAddress } } },
    mirrorSettings: { linkListen: { host: '0.0.0.0', port: linkPort } },
    linkPort: { isOpen: true },
  };
  return new Attachment(parts as unknown as AttachmentParts);
}

describe('a node that was deposed looks', () => {
  test('where it was told', () => {
    const node = attachment(11_212);
    node.learn(9, '10.0.0.7:4000', '10.0.0.7');
    node.follow();
    expect(node.addresses).toEqual([{ host: '10.0.0.7', port: 4000 }]);
  });

  test('at the host that deposed it, by its own port, when it was not told where', () => {
    const node = attachment(11_212);
    node.learn(9, null, '10.0.0.7');
    node.follow();
    expect(node.addresses).toEqual([{ host: '10.0.0.7', port: 11_212 }]);
    expect(node.error().message).toBe(
      'epoch 9 reigns elsewhere, and did not say where standbys attach',
    );
  });

  test('nowhere when its own port was chosen by the system, or it is alone on its machine', () => {
    for (const [port, host] of [
      [0, '10.0.0.7'],
      [11_212, '10.0.0.1'],
      [11_212, ''],
    ] as const) {
      const node = attachment(port);
      node.learn(9, null, host);
      expect(node.addresses).toEqual([]);
    }
  });
});

// Only what is said on this machine, or by who has proved that he knows the secret, is certain.
test.each([
  ['10.0.0.1', true],
  ['127.0.0.1', true],
  ['10.0.0.7', false],
])('bytes that are no frame, at %s', (host, isSure) => {
  const seen: Observation[] = [];
  let endpoint: Endpoint | null = null;
  const input = new Uint8Array(64).fill(65);
  const wire = {
    input,
    inputView: new DataView(input.buffer),
    nowMs: 1,
    close: () => {},
    transport: { describe: () => null, send: () => {} },
    connect: (_host: string, _port: number, _group: number, make: (id: number) => Endpoint) => {
      endpoint = make(1);
      return null;
    },
    ports: {
      clock: () => 1,
      random: (bytes: number) => Buffer.alloc(bytes),
      timers: { every: () => ({ cancel: () => {} }), after: () => ({ cancel: () => {} }) },
      network: { isOwnAddress: (own: string): boolean => own === '10.0.0.1' },
    },
  };
  const parts = {
    wire,
    settings: { listen: [] },
    mirrorSettings: {
      linkListen: null,
      secret: Buffer.from('a secret of two nodes'),
      cipher: 'auto',
      transport: 'tcp',
      provider: null,
      heartbeatMs: 20,
      deadAfterMs: 100,
      node: 'n',
    },
    linkPort: { isOpen: false },
    role: () => ({ state: 'reconnecting' }),
    observe: (what: Observation) => void seen.push(what),
  };
  new Attachment(parts as unknown as AttachmentParts).begin({ host, port: 9 });
  endpoint!.connected!(0);
  endpoint!.data(0, 64, false);
  expect(seen).toEqual([{ what: 'turnedAway', why: 'peer', mayBeElsewhere: false, isSure }]);
});
