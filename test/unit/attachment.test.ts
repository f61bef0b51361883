/** Where a node that was deposed looks for the one that reigns. */
import { describe, expect, test } from '@jest/globals';
import { Attachment, type AttachmentParts } from '../../failover/attachment.js';

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
