/**
 * Where a node that was deposed looks for the one that reigns, when it knows that nobody does, and what it sees where
 * it connects.
 */
import { describe, expect, test } from '@jest/globals';
import type { Passer } from '../../backup/primary/redirect-listener.js';
import { Attachment, type AttachmentParts } from '../../failover/attachment.js';
import type { Observation } from '../../failover/observation.js';
import type { Endpoint } from '../../src/net/wire.js';

/** A node that can be met at its link port, as one that was deposed can, and what it has seen. */
function looking(linkPort: number) {
  const isOwnAddress = (host: string): boolean => host === '10.0.0.1';
  const time = { ms: 1_000_000 };
  let all = false;
  const parts = {
    wire: { ports: { network: { isOwnAddress }, clock: () => time.ms } },
    mirrorSettings: { linkListen: { host: '0.0.0.0', port: linkPort } },
    linkPort: { isOpen: true },
    observe: (seen: Observation) => {
      if (seen.what === 'passerLooks') all = seen.all;
    },
  };
  const node = new Attachment(parts as unknown as AttachmentParts);
  /** A node comes here that looks for a primary, with no copy; true when all that are known do so. */
  const seeker = (host: string, link: string | null): boolean => {
    node.met({ reigns: false, holds: false, link, host });
    return all;
  };
  const reigns = (host: string, link: string | null): void => {
    const passer: Passer = { reigns: true, holds: true, link, host };
    node.met(passer);
  };
  return { node, time, seeker, reigns };
}

describe('a node that was deposed looks', () => {
  test('where it was told', () => {
    const { node } = looking(11_212);
    node.learn(9, '10.0.0.7:4000', '10.0.0.7');
    node.follow();
    expect(node.addresses).toEqual([{ host: '10.0.0.7', port: 4000 }]);
  });

  test('at the host that deposed it, by its own port, when it was not told where', () => {
    const { node } = looking(11_212);
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
      const { node } = looking(port);
      node.learn(9, null, host);
      expect(node.addresses).toEqual([]);
    }
  });
});

describe('nobody holds the cache any more', () => {
  test('when each known node came lately, and looks', () => {
    const { node, time, seeker } = looking(11_212);
    node.learn(9, '10.0.0.7:4000', '10.0.0.7');
    node.follow();
    expect(seeker('10.0.0.8', '10.0.0.8:4000')).toBe(false);
    expect(seeker('10.0.0.7', '10.0.0.7:4000')).toBe(true);
    time.ms += 6_000;
    expect(seeker('10.0.0.7', '10.0.0.7:4000')).toBe(false);
  });

  test.each(['10.0.0.7', '10.0.0.1'])(
    'when the node of %s that named no link port was started again',
    (host) => {
      const { node, time, seeker } = looking(11_212);
      node.learn(9, null, host);
      // Another process of that host may have come while the one that reigns lives.
      expect(seeker(host, null)).toBe(false);
      time.ms += 6_000;
      expect(seeker(host, null)).toBe(true);
    },
  );

  test('not while a node without a link port says that it reigns', () => {
    const { node, time, seeker, reigns } = looking(11_212);
    node.learn(9, null, '10.0.0.7');
    time.ms += 6_000;
    reigns('10.0.0.7', null);
    expect(seeker('10.0.0.7', null)).toBe(false);
    expect(seeker('10.0.0.8', null)).toBe(false);
  });
});

// Only what a node says that has proved that it knows the secret is certain, or what is said where the primary was
// (test/unit/port-forward.test.ts).
test.each(['10.0.0.1', '127.0.0.1', '10.0.0.7'])(
  'bytes that are no frame, at %s, where no primary has been met',
  (host) => {
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
        memory: { crc32c: () => 0 },
      },
    };
    const parts = {
      wire,
      settings: { listen: [] },
      mirrorSettings: {
        linkListen: null,
        secret: Buffer.from('a secret of two nodes'),
        cipher: 'auto',
        linkPreference: 'tcp',
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
    expect(seen).toEqual([
      { what: 'turnedAway', why: 'peer', mayBeElsewhere: false, isSure: false },
    ]);
  },
);
