/**
 * The standby's side of the handshake: it says hello, checks the primary's proof, and answers with its own proof.
 * Primary-handshake.ts is the other side.
 */
import { HotspareError } from '../../src/base/errors.js';
import { layoutVersion } from '../../src/store/layout.js';
import type { Channel } from '../channel/channel.js';
import { agreed, type CipherWish, type HandshakeSettings, wishOf } from '../channel/cipher.js';
import { FrameType, protocolVersion } from '../channel/frame.js';
import { type Hello, nonce, type Proof, parse, wrongSecret } from '../channel/hello.js';
import { isProved, sessionKeys, withProof } from '../channel/proof.js';

export class StandbyHandshake {
  private readonly channel: Channel;
  private readonly secret: Uint8Array;
  private readonly wish: CipherWish;
  private readonly nonce: string;
  private readonly hello: Uint8Array;

  /** Says hello on a channel that has just been opened. */
  constructor(
    channel: Channel,
    { secret, cipher }: HandshakeSettings,
    random: (bytes: number) => Buffer,
  ) {
    this.channel = channel;
    this.nonce = nonce(random);
    this.secret = secret;
    this.wish = wishOf(cipher, secret, channel.localHost, channel.peerHost);
    const versions = { protocol: protocolVersion, layout: layoutVersion };
    const hello: Hello = { ...versions, nonce: this.nonce, cipher: this.wish };
    this.hello = Buffer.from(JSON.stringify(hello));
    channel.sendPayload(FrameType.HELLO, this.hello);
  }

  /** Answers the challenge with our proof. Returns an error when the challenge is wrong. */
  prove(payload: Uint8Array, claims: Omit<Proof, 'proof'>): HotspareError | null {
    const { channel, secret } = this;
    const challenge = parse('challenge', payload);
    if (challenge === null) return wrongSecret('the primary');
    const keys = sessionKeys(secret, this.nonce, challenge.nonce);
    if (!isProved(keys.proof, 'primary', [this.hello], payload)) return wrongSecret('the primary');
    const { cipher } = challenge;
    if (agreed(this.wish, cipher) !== cipher) {
      const sentence = `the primary chose --link-cipher ${cipher}, which was not offered`;
      return new HotspareError('LINK_REFUSED', sentence, 'give both nodes the same --link-cipher');
    }
    channel.trusted = true;
    if (cipher === 'aes-gcm') channel.openWith(keys.toStandby);
    const said = [this.hello, payload];
    channel.sendPayload(FrameType.PROOF, withProof(keys.proof, 'standby', said, claims));
    if (cipher === 'aes-gcm') channel.sealWith(keys.toPrimary);
    return null;
  }
}
