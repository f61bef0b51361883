/**
 * A man in between two nodes, who knows no secret: he changes, repeats, keeps, swaps or makes single frames, of every
 * type and in both directions, and every field of the hello. The session ends each time; nothing of his lands, nothing
 * is acked that did not, and nobody is deposed.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { FrameType, frameHeaderBytes, sealFrame } from '../../backup/channel/frame.js';
import type { MirrorSettings } from '../../backup/mirror-settings.js';
import type { Primary } from '../../backup/primary/primary.js';
import { Standby } from '../../backup/standby/standby.js';
import { defaults } from '../../src/flags/settings.js';
import { type NativeRegion, native } from '../../src/native/addon.js';
import { monotonicMs } from '../../src/native/clock.js';
import { Wire } from '../../src/net/wire.js';
import { anonymousMemory, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';
import { lonePrimary, mirrorSettingsWith } from '../support/lone-primary.js';
import type { PeerFrame } from '../support/peer.js';
import { type Lane, Relay } from '../support/relay.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const heartbeatMs = 20;
const geometry = geometryOf({ ...defaults, memoryBytes: 2 ** 21 });
/** What a batch of these tests writes, into the first word of the first page. */
const written = 0x5eed;

type Way = 'toPrimary' | 'toStandby';

const { HELLO, CHALLENGE, PROOF, WELCOME, BATCH, BLOCK, SYNCED, ACK, HEARTBEAT } = FrameType;
const { REFUSED, DEPOSED, DROPPED, MEMORY, LEAVING } = FrameType;

let session: Session | null = null;

afterEach(() => {
  session?.end();
  session = null;
});

/** A primary and a standby in this process, with a relay in between. */
class Session {
  readonly region: Region;
  private readonly memory: NativeRegion;
  readonly primary: Primary;
  standby!: Standby;
  relay!: Relay;
  /** What was told to whom. */
  readonly told: string[] = [];
  private readonly wires = [new Wire({ connectionsMax: 160 }), new Wire({ connectionsMax: 8 })];
  private readonly mirrorSettings: MirrorSettings;
  private timer: NodeJS.Timeout | null = null;
  private linkPort = 0;

  constructor(cipher: MirrorSettings['cipher']) {
    const mapped = mapRegion(geometry, anonymousMemory, new Journal());
    this.region = mapped.region;
    this.memory = mapped.nativeRegion;
    const secret = Buffer.from('a secret of two nodes');
    this.mirrorSettings = mirrorSettingsWith({ secret, heartbeatMs, cipher });
    const log = { say: (line: string) => this.told.push(`log: ${line}`), detail: () => {} };
    this.primary = lonePrimary({
      wire: this.wires[0]!,
      region: this.region,
      regionId: mapped.nativeRegion.id,
      mirrorSettings: this.mirrorSettings,
      log,
      events: {
        synced: () => this.told.push('primary: synced'),
        detached: (node) => this.told.push(`primary: detached: ${node}`),
        deposed: (epoch) => this.told.push(`primary: deposed by ${epoch}`),
      },
    });
  }

  /** Puts the relay in between, lets it be prepared, and attaches. */
  async begin(prepare: (relay: Relay) => void = () => {}): Promise<void> {
    this.linkPort = this.primary.listen(host, 0);
    this.relay = new Relay(this.linkPort);
    prepare(this.relay);
    const tell = (what: string): void => void this.told.push(`standby: ${what}`);
    const address = { host, port: await this.relay.listen() };
    this.standby = new Standby(this.wires[1]!, address, this.mirrorSettings, anonymousMemory, {
      deposedBy: () => '',
      welcomed: () => tell('welcomed'),
      synced: () => tell('synced'),
      lost: (reason) => tell(`ended: ${reason}`),
      unreachable: (errno) => tell(`ended: ${errno}`),
      refused: ({ message }, isSure) => tell(`ended${isSure ? ', for sure' : ''}: ${message}`),
      dropped: () => tell('dropped'),
      met: () => 'mirror',
      outranked: () => tell('outranked'),
    });
    this.standby.attach();
    this.timer = setInterval(() => this.standby.beat(monotonicMs()), heartbeatMs);
  }

  /** One more standby, which looks for the same primary. */
  another(): Standby {
    const tell = (what: string): void => void this.told.push(`other: ${what}`);
    const address = { host, port: this.linkPort };
    const settings = { ...this.mirrorSettings, node: 'other' };
    const other = new Standby(this.wires[1]!, address, settings, anonymousMemory, {
      deposedBy: () => '',
      welcomed: () => tell('welcomed'),
      synced: () => {},
      lost: tell,
      unreachable: () => tell('unreachable'),
      refused: ({ message }, isSure) => tell(`refused${isSure ? ', for sure' : ''}: ${message}`),
      dropped: () => {},
      met: () => 'mirror',
      outranked: () => {},
    });
    other.attach();
    return other;
  }

  async synced(): Promise<void> {
    await until(
      () => `both in sync: ${this.told.join('; ')}`,
      () => this.has('primary: synced') && this.has('standby: synced'),
    );
  }

  has(what: string): boolean {
    return this.told.some((line) => line.startsWith(what));
  }

  /** Commits one word. */
  write(): void {
    this.region.journal.word(this.region.pagesOffset, written);
    this.primary.commit(this.region.journal, monotonicMs());
  }

  /** That word, where the standby has it; null when it has no memory yet. */
  landed(): number | null {
    const { nativeRegion } = this.standby;
    if (nativeRegion === null) return null;
    const { pagesOffset } = this.region;
    return new Int32Array(nativeRegion.segments[0]!)[
      (pagesOffset - nativeRegion.head.byteLength) >>> 2
    ]!;
  }

  /** The standby's session is over, and nobody was told a lie. */
  async over(): Promise<void> {
    await until(
      () => `the end of the session: ${this.told.join('; ')}`,
      () => this.has('standby: ended') || this.has('primary: detached'),
    );
    for (const lie of [
      'primary: deposed',
      'standby: dropped',
      'standby: replaced',
      'standby: outranked',
    ]) {
      expect([this.told, this.has(lie)]).toEqual([this.told, false]);
    }
    // Nobody even looked at what it said.
    expect(this.told.join('\n')).not.toMatch(
      /in order|claims to|not sent|no sense|damaged|does not fit|no primary/,
    );
  }

  end(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.standby.close();
    this.primary.end();
    this.relay.end();
    for (const wire of this.wires) wire.transport.destroy();
    for (const memory of [this.memory, this.standby.nativeRegion]) {
      if (memory !== null) native.regionClose(memory.id);
    }
  }
}

/** Does something to the first frame of this type that comes, and to no other. */
function once(lane: Lane, type: number, act: (bytes: Buffer) => readonly Buffer[]): () => boolean {
  let done = false;
  lane.changes = (frame, bytes) => {
    if (done || frame.type !== type) return [bytes];
    done = true;
    return act(bytes);
  };
  return () => done;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at < 0 ? copy.length + at : at]! ^= 1;
  return copy;
}

/** What is done to a frame, by name. */
const acts: Record<
  string,
  (bytes: Buffer, lanes: { lane: Lane; back: Lane }) => readonly Buffer[]
> = {
  'has another version': (bytes) => [flipped(bytes, 4)],
  'has another type': (bytes) => [flipped(bytes, 6)],
  'has another epoch': (bytes) => [flipped(bytes, 8)],
  'has another count': (bytes) => [flipped(bytes, 12)],
  'has another sequence': (bytes) => [flipped(bytes, 16)],
  'is cut short': (bytes) => {
    const copy = Buffer.from(bytes.subarray(0, -1));
    copy.writeUInt32LE(copy.length - frameHeaderBytes, 24);
    return [copy];
  },
  'has a checksum': (bytes) => [flipped(bytes, 28)],
  'begins otherwise': (bytes) => [flipped(bytes, frameHeaderBytes)],
  'ends otherwise': (bytes) => [flipped(bytes, -17)],
  'has another tag': (bytes) => [flipped(bytes, -1)],
  'comes twice': (bytes) => [bytes, bytes],
  'does not come': () => [],
  'is sent back, too': (bytes, { back }) => {
    back.inject(bytes);
    return [bytes];
  },
  'is not encrypted': (bytes) => [unsealed(bytes)],
};

/** A frame as a node without a cipher would make it, with a right checksum. */
function unsealed(
  bytes: Buffer,
  type = bytes.readUInt16LE(6),
  epoch = bytes.readUInt32LE(8),
): Buffer {
  const copy = Buffer.from(bytes);
  const length = copy.length - frameHeaderBytes;
  const [count, sequence] = [copy.readUInt32LE(12), Number(copy.readBigUInt64LE(16))];
  const view = new DataView(copy.buffer, copy.byteOffset, copy.length);
  sealFrame(copy, view, 0, { type, epoch, count, sequence, length }, native.crc32c);
  return copy;
}

describe.each<[string, number, Way]>([
  ['WELCOME', WELCOME, 'toStandby'],
  ['BLOCK', BLOCK, 'toStandby'],
  ['SYNCED', SYNCED, 'toStandby'],
  ['BATCH', BATCH, 'toStandby'],
  ['HEARTBEAT', HEARTBEAT, 'toStandby'],
  ['ACK', ACK, 'toPrimary'],
  ['HEARTBEAT', HEARTBEAT, 'toPrimary'],
])('a %s', (_, type, way) => {
  test.each(Object.keys(acts))('that %s ends the session', async (name) => {
    const back = way === 'toPrimary' ? 'toStandby' : 'toPrimary';
    let changed = (): boolean => false;
    const prepare = (relay: Relay): void => {
      const lanes = { lane: relay[way], back: relay[back] };
      changed = once(relay[way], type, (bytes) => acts[name]!(bytes, lanes));
    };
    session = new Session('aes-gcm');
    if (type === BATCH || type === ACK) {
      await session.begin();
      await session.synced();
      const { relay, primary } = session;
      const before = primary.unacked.acked;
      prepare(relay);
      session.write();
      await session.over();
      // What came as it was sent may have landed; nothing else did, and nothing else was acked.
      const genuine = ['comes twice', 'is sent back, too'].includes(name);
      if (type === BATCH && !genuine) expect(session.landed()).toBe(0);
      if (!genuine) expect(primary.unacked.acked).toBe(before);
    } else {
      await session.begin(prepare);
      await session.over();
    }
    expect(changed()).toBe(true);
  });
});

describe('in between', () => {
  test('nothing happens to a session that is left alone', async () => {
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    const secret = Buffer.alloc(4);
    secret.writeUInt32LE(written);
    const { primary, relay } = session;
    session.write();
    await until('the ack', () => primary.unacked.isEmpty);
    expect(session.landed()).toBe(written);
    // Nor is anything to be read there.
    const passed = relay.toStandby.arrived.filter(({ type }) => type === BATCH || type === BLOCK);
    expect(passed.length).toBeGreaterThan(1);
    expect(passed.some(({ payload }) => payload.includes(secret))).toBe(false);
    expect(session.told.filter((line) => /ended|detached/.test(line))).toEqual([]);
  });

  test.each<[Way, number]>([
    ['toStandby', HEARTBEAT],
    ['toPrimary', HEARTBEAT],
  ])('frames that change places end the session, %s', async (way, type) => {
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    let first: Buffer | null = null;
    session.relay[way].changes = (frame, bytes) => {
      if (frame.type !== type) return [bytes];
      if (first !== null) return [bytes, first];
      first = bytes;
      return [];
    };
    await session.over();
  });

  test.each<[Way, number]>([
    ['toStandby', BATCH],
    ['toPrimary', ACK],
  ])('a frame of another session is none of this one, %s', async (way, type) => {
    session = new Session('aes-gcm');
    let kept: Buffer | null = null;
    await session.begin();
    session.relay[way].changes = (frame, bytes) => {
      if (frame.type === type) kept = bytes;
      return [bytes];
    };
    await session.synced();
    session.write();
    await until('a frame', () => kept !== null);
    session.end();
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    session.relay[way].inject(kept!);
    await session.over();
    expect(session.landed()).toBe(0);
  });

  test.each<[string, Way, number]>([
    ['that another epoch reigns', 'toPrimary', DEPOSED],
    ['that it leaves', 'toPrimary', LEAVING],
    ['that all is acked', 'toPrimary', ACK],
    ['where memory is', 'toPrimary', MEMORY],
    ['that it goes on alone', 'toStandby', DROPPED],
    ['that another node reigns', 'toStandby', DEPOSED],
    ['that the copy is whole', 'toStandby', SYNCED],
    ['that it refuses', 'toStandby', REFUSED],
  ])('nobody can say %s', async (_, way, type) => {
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    const changed = once(session.relay[way], HEARTBEAT, (bytes) => {
      const forged = Buffer.from(bytes);
      forged.writeUInt16LE(type, 6);
      forged.writeUInt32LE(99, 8);
      return [forged];
    });
    await session.over();
    expect(changed()).toBe(true);
    session.end();
    // Nor with a frame of his own making, in clear.
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    const body = Buffer.from(
      '{"link":null,"failure":"x","parts":[],"code":"","reason":"","remedy":""}',
    );
    session.relay[way].inject(
      unsealed(Buffer.concat([Buffer.alloc(frameHeaderBytes), body]), type, 99),
    );
    await session.over();
  });
});

/** A frame of the hello with another payload, and a right checksum. */
function saying(type: number, text: string): Buffer {
  return unsealed(Buffer.concat([Buffer.alloc(frameHeaderBytes), Buffer.from(text)]), type, 0);
}

// Of each a standby that had lost its link made that its primary is dead for sure, and took over from it in 5 ms.
describe("a refusal in the hello is not taken for the primary's", () => {
  const refusal = '{"code":"LINK_BUSY","reason":"r","remedy":"m","disowns":true}';

  test.each<[string, Way, number, (bytes: Buffer) => readonly Buffer[]]>([
    ['somebody else made it', 'toStandby', CHALLENGE, () => [saying(REFUSED, refusal)]],
    ['the hello came twice', 'toPrimary', HELLO, (bytes) => [bytes, bytes]],
    ['there was no hello', 'toPrimary', HELLO, () => [saying(DEPOSED, '{}')]],
    [
      'the proof was changed',
      'toPrimary',
      PROOF,
      (bytes) => {
        const text = bytes.subarray(frameHeaderBytes).toString();
        return [saying(PROOF, text.replace('"deadAfterMs":', '"deadAfterMs":1'))];
      },
    ],
    ['more came with the proof', 'toPrimary', PROOF, (bytes) => [saying(PROOF, '{}'), bytes]],
  ])('when %s', async (_, way, type, act) => {
    session = new Session('aes-gcm');
    let changed = (): boolean => false;
    await session.begin((relay) => {
      changed = once(relay[way], type, act);
    });
    await session.over();
    expect(changed()).toBe(true);
    expect(session.has('standby: ended, for sure')).toBe(false);
    // The primary was heard only where its own challenge came.
    const challenged = session.relay.toStandby.arrived.some((frame) => frame.type === CHALLENGE);
    if (type === CHALLENGE || !challenged) expect(session.standby.heardMs).toBe(0);
  });

  test('but what it says to a node that it knows is', async () => {
    session = new Session('aes-gcm');
    await session.begin();
    await session.synced();
    const other = session.another();
    await until('the refusal', () => session!.has('other: refused, for sure: the primary already'));
    other.close();
  });
});

/** Another value that the field may have as well. */
const values: Record<string, (value: unknown) => unknown> = {
  nonce: (value) => String(value).replace(/./g, (digit) => (digit === '0' ? '1' : '0')),
  cipher: (value) => (value === 'none' ? 'aes-gcm' : 'none'),
  proof: (value) => [...String(value)].reverse().join(''),
  node: () => 'somebody-else',
  epoch: () => 99,
  cache: () => 'feedfacefeedface',
  changes: () => 1e9,
  link: () => '10.9.8.7:1',
  deadAfterMs: () => 101,
  transport: () => 'auto',
  providers: () => 'verbs',
  lacks: () => 'a device',
  protocol: () => 99,
  layout: () => 99,
};

/** All fields of a PROOF. */
const proofFields = [
  'proof',
  'node',
  'epoch',
  'cache',
  'changes',
  'link',
  'deadAfterMs',
  'transport',
  'providers',
  'lacks',
];

describe.each(['none', 'aes-gcm'] as const)('with --link-cipher %s, of the hello', (cipher) => {
  test.each<[string, string, number, Way]>([
    ...['protocol', 'layout', 'nonce', 'cipher'].map((field): [string, string, number, Way] => [
      'HELLO',
      field,
      HELLO,
      'toPrimary',
    ]),
    ...['nonce', 'cipher', 'proof'].map((field): [string, string, number, Way] => [
      'CHALLENGE',
      field,
      CHALLENGE,
      'toStandby',
    ]),
    ...proofFields.map((field): [string, string, number, Way] => [
      'PROOF',
      field,
      PROOF,
      'toPrimary',
    ]),
  ])('%s no %s can be changed', async (_, field, type, way) => {
    session = new Session(cipher);
    let changed = (): boolean => false;
    await session.begin((relay) => {
      changed = once(relay[way], type, (bytes) => {
        const message = JSON.parse(bytes.subarray(frameHeaderBytes).toString()) as Record<
          string,
          unknown
        >;
        const value = message[field];
        expect(value).toBeDefined();
        const body = Buffer.from(JSON.stringify({ ...message, [field]: values[field]!(value) }));
        return [unsealed(Buffer.concat([bytes.subarray(0, frameHeaderBytes), body]))];
      });
    });
    await session.over();
    expect(changed()).toBe(true);
    expect(session.has('standby: welcomed')).toBe(false);
    const frames = (lane: Lane): PeerFrame[] => lane.arrived;
    const types = frames(session.relay.toStandby).map(({ type: one }) => one);
    expect(types).not.toContain(WELCOME);
  });
});
