/**
 * Every limit of the program, and how the limits relate. A number that bounds something and does not stand here is
 * a mistake. Relations are asserted once, at load, at the end of this file.
 */
import { assert } from './errors.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Longest key, in bytes (memcached's KEY_MAX_LENGTH). */
export const keyBytesMax = 250;
/** Tokens of a meta command, its word included: memcached has room for this many. */
export const metaTokensMost = 19;
/** Longest opaque token of a meta command, its `O` included. */
export const opaqueBytesMax = 32;
/** A line that has no newline after this many bytes closes the connection, unless it is a get (memcached's rule). */
export const lineBytesMax = 2048;
/** A line longer than this that arrives whole closes the connection, too: memcached's read buffer holds no more. */
export const lineBytesWhole = 16 * KiB;
/** A get line longer than this is answered while it arrives, so that it needs no more buffer than this. */
export const lineBytesStreamed = 32 * KiB;
/** Keys that are looked up together: enough for their waits to overlap, few enough to stay in the nearest cache. */
export const lookaheadKeysMost = 32;
/** Largest value length a storage command may name; larger ones are not even swallowed (memcached's INT_MAX - 2). */
export const valueLengthMax = 2147483645;

/** `-m` in MiB. */
export const memoryMebibytesDefault = 64;
export const memoryBytesMax = 1024 * GiB;
/** `-I`: default, least and largest item, in bytes, counted as memcached counts it. */
export const itemBytesDefault = MiB;
export const itemBytesLeast = KiB;
export const itemBytesMost = GiB;
/** A page is this large, or the power of two that holds `-I` where that is larger. */
export const pageBytesLeast = MiB;
/**
 * Largest chunk of the regular slab classes; larger items have whole fractions of a page (memcached's
 * slab_chunk_max).
 */
export const chunkBytesRegularMax = 512 * KiB;
/** Larger chunks grow by `-f`, at least by this factor: there must be classes enough up to the largest -I. */
export const chunkGrowthLargeLeast = 1.15;
/** `-f` beyond this leaves no classes between the smallest and the largest chunk. */
export const growthFactorMost = 100;
/** Most regular slab classes, and the largest regular chunk's (memcached's MAX_NUMBER_OF_SLAB_CLASSES). */
export const classesRegularMax = 63;
/** Most slab classes: the page table has one byte a page, and 0 means unused. */
export const classesMax = 128;
/** Pages stand in ArrayBuffers of at most this size, so that every index in one is a small integer for V8. */
export const segmentBytes = GiB;
/** Buckets: one for this many bytes of pages, rounded up to a power of two. */
export const pageBytesPerBucket = 128;
/**
 * Most buckets, as a power of two: superblock, page table and buckets share one buffer. From 64 GiB on chains grow
 * longer.
 */
export const bucketBitsMost = 29;
/** Most bytes that one ArrayBuffer holds. */
export const headBytesMost = 4 * GiB - 4096;
/** Chunks of an opened region that a set looks at for a free one before it evicts an item. */
export const adoptChunksOnDemand = 16;
/** With -M: chunks of an opened region that one request looks at for a free one; well under a millisecond of work. */
export const adoptChunksPerRequest = 2048;
/** Fingerprints of evicted items, as a power of two: half as many as buckets, but at least this many. */
export const ghostBitsLeast = 12;
/**
 * New items are on probation while they are among the newest of their class. Each class learns how large a share that
 * is, within these bounds; it is never more than the most items, nor less than the least, which a small class needs.
 */
export const probationShareStart = 0.1;
export const probationShareLeast = 0.02;
export const probationShareMost = 0.5;
export const probationItemsLeast = 8;
export const probationItemsMost = 2 ** 19;
/** Items that are evicted at once for a class without a page; its request waits a tick before as many again are. */
export const seizeItemsMost = 500;
/** Pages of a class that are looked at for one that can be emptied at once. */
export const seizePagesMost = 256;
/** Items the clock hand of the eviction counts down for one victim. */
export const evictionLooksMost = 2000;
/** Larger items are not copied when their page is emptied; they are evicted instead. */
export const moveBytesMost = 128 * KiB;
/** A page that cannot be emptied within this time, because its bytes are being sent or filled, stays where it is. */
export const moveSecondsMost = 10;
/** Pages that may change class in a second, as a share of all (but at least one). */
export const balanceMovesShare = 1 / 64;
/** Work of one turn in the background, counted in items looked at: well under a millisecond. */
export const upkeepLooks = 2000;
/** The pause between two turns in the background: while there is work, and while there is none. */
export const upkeepPauseMs = 1;
export const upkeepIdleMs = 100;
/** The cost of changing an item, counted in items looked at. */
export const upkeepLooksPerChange = 4;
/** The crawler begins by itself after a pause within these bounds: soon while it finds dead items, seldom otherwise. */
export const crawlSecondsLeast = 60;
export const crawlSecondsMost = 3600;
/** The ceiling of CAS ids is raised in steps of this many. */
export const casStep = 2 ** 20;

/** `-c`: connections of clients. */
export const connectionsDefault = 1024;
export const connectionsMost = 65_536;
/** Slots for node-to-node connections, beside the clients'. */
export const linkConnections = 144;
/** `-b`: length of the listen queue. */
export const backlogDefault = 1024;

/** Longest data block that may hold a user and a password; memcached's read buffer bounds it there. */
export const authBytesMax = 8 * KiB;
/** Users of a `-Y` file (memcached's MAX_ENTRIES). */
export const authUsersMost = 8;
/** A TLS handshake that takes longer is given up. */
export const tlsHandshakeMs = 10_000;
/** TLS handshakes under way at once; further ones wait for their turn. */
export const tlsHandshakesMost = 128;
/** Connections without a whole TLS hello that may stay for as long as a handshake; more end after `tlsGraceMs`. */
export const tlsSilentMost = 256;
/**
 * A TLS handshake that is under way is not ended for another of its address within this time. Many clients of one busy
 * machine take more than half a second for theirs.
 */
export const tlsGraceMs = 2000;
/** How often connections that wait for their TLS handshake are looked at. */
export const tlsLookMs = 100;
/** Most bytes that a node needs for each byte of its region, and beside it (docs/OPERATING.md, Memory). */
export const bytesPerRegionByte = 1.1;
export const bytesBesideRegion = 80 * MiB;
/** How long a process that ends waits for its last lines to be written. */
export const lastWordsMs = 200;
/** Reports that the supervisor, or the starter of a daemon, has not read yet; more are not sent. */
export const reportsUnreadMost = 1000;
/** Datagrams that may be under way at once; more are dropped, as a full socket buffer would. */
export const datagramsInFlightMost = 64;
/** A datagram whose reply takes longer than this is given up. */
export const datagramMs = 10_000;
/** Bytes of replies that wait for the network in a socket; while there are more, requests are dropped. */
export const datagramQueueBytesMost = 8 * MiB;
/** Longest reply that is sent as datagrams. */
export const datagramReplyBytesMost = 2 * MiB;
/** Bytes of a datagram that is sent, its header included (memcached's UDP_MAX_PAYLOAD_SIZE). */
export const datagramBytesMax = 1400;
/** Watchers at once (memcached's WATCHER_LIMIT), and the bytes a watcher may have unsent before lines are skipped. */
export const watchersMost = 20;
export const watcherBytesMax = 256 * KiB;
/** Bytes of lines in one tick, times the watchers: past them, commands that make such lines wait for the next tick. */
export const watchedBytesPerTick = MiB;
/** Prefixes that `stats detail` counts: as many as its answer has room for. */
export const prefixesMost = 1000;

/** Shared input buffer of the transport. */
export const inputBytes = 4 * MiB;
/** Shared output buffer of the transport: all replies of a tick that are copied stand in it. */
export const outputBytes = 4 * MiB;
/**
 * Connections served in one tick. Few, so that the standby works on a batch while the next is made: with all ready
 * connections in one tick, clients, primary and standby would wait for each other in turn.
 */
export const eventsMax = 8;
/** A tick that has executed for this long leaves the rest for the next. */
export const tickMs = 3;
/** Commands, or keys of a get, that are executed between two looks at the clock: some 50 microseconds of work. */
export const commandsPerLook = 128;
/** Rows of the table of replies. */
export const repliesMax = 16_384;
/** Most bytes read from one connection in a tick; also the most that may stay unconsumed. */
export const readBytesMax = 64 * KiB;
/** A connection with this much unsent or held output is not read from. */
export const pendingHighBytes = 256 * KiB;
/** A connection that has produced this much output in one tick goes on in the next. */
export const replyBytesPerTick = 256 * KiB;
/** Values that arrive through sinks: this many bytes may complete in one tick. */
export const sinkBytesPerTick = MiB;
/** A large value arrives, and is mirrored, in parts of this size. */
export const sinkPartBytes = 512 * KiB;
/** Bytes copied in a tick for values that are made of others (append); the connections of a tick share them. */
export const copyBytesPerTick = 512 * KiB;
/**
 * Copying this many bytes takes as long as many commands, so the clock is read after it. Any connection may copy this
 * much in a tick.
 */
export const effortBytesLeast = 16 * KiB;
/** A value at least this long is sent from where it stands instead of being copied. */
export const referenceBytesLeast = 16 * KiB;
/**
 * Room that there must be in the output buffer before a reply: a `stats items` with every class in use, and beside it a
 * short line for every row of a tick (a refusal that was due when its data block had been swallowed).
 */
export const replyRoomBytes = 384 * KiB;
/** Values that are still arriving may hold this share of the pages: half-sent values do not starve the rest. */
export const arrivingShare = 0.5;
/** A `stats cachedump` ends after this many bytes (memcached's limit). */
export const cachedumpBytesMost = 2 * MiB;
/** While replies hold all memory, a reply that has been read for this long is dropped, and its reader closed. */
export const slowReaderMs = 1_000;
/**
 * While half-sent values hold all memory they may, a value without progress for this long is dropped, its sender
 * closed.
 */
export const stalledSenderMs = 5_000;
/**
 * Descriptors that a node needs beside its listeners and its clients: links, connections on the link's port that have
 * proved nothing yet, files, Node's own.
 */
export const ownDescriptors = 64;
/** A closed connection whose peer does not read the rest is given up after this long. */
export const drainingMs = 10_000;

/** Bytes of a batch, its header excluded. A range that does not fit is carried in pieces (law 2 allows any cut). */
export const batchBytesMax = MiB;
/** Committed bytes that are not acked yet; at this mark clients are not executed until acks come in. */
export const unackedBytesMax = 32 * MiB;
/** Ring of the RDMA link, in which writes wait for their completion. Once it is half full, clients are not executed. */
export const stagingBytes = 16 * MiB;
/** A standby has this long to connect to the RDMA link that its primary offers, and to open its memory to it. */
export const fabricMs = 5_000;
/** `--link-spin`: most microseconds that an ack is waited for within the tick. */
export const linkSpinUsMost = 1_000;

/** Ack latencies that SIGUSR2 writes: this many of the newest. */
export const latenciesKept = 1_000_000;

/** Batches sent and not acked; at this mark clients are not executed until acks come in. A power of two. */
export const unackedBatchesMax = 2 ** 17;
/**
 * The resync's rate limit: bytes of a block that it copies at once; bytes, and blocks, on their way at the same time.
 */
export const blockBytes = 256 * KiB;
export const copyBytesInFlightMax = 2 * blockBytes;
export const blocksInFlightMax = 64;
/** Most that a resync looks at before the loop turns: bytes of the region, and ms. */
export const lookBytesMax = MiB;
export const lookMsMax = 1;
/** Least cost of a look, in bytes: a look at memory that was never written reads none, and still takes time. */
export const lookBytesLeast = 4 * KiB;
/** Longest control message (hello, welcome, refusal) on the node-to-node connection. */
export const controlBytesMax = 4096;
/** A node-to-node connection that has not finished its hello after this long is closed. */
export const helloMs = 5_000;
/** A standby may be silent for this long while it copies, maps its memory, or wipes its file. */
export const copyingMs = 60_000;
/** How often a node that has taken over tries to reach its old primary, at the address where that served. */
export const knockMs = 400;
/** A node that starts with a cache of its own listens for a reigning node this long before it answers clients. */
export const challengeMs = 1_000;
/** A primary that was deposed by a node which then stood still comes to that node's link port within this time. */
export const oldComesMs = 2_500;
/** A standby that finds no primary tries again after this long, doubled each time up to the most. */
export const attachAgainMsLeast = 50;
export const attachAgainMsMost = 1_000;
/** The log repeats after this long why a node cannot do its work. */
export const complaintMs = 60_000;
/** How often a standby looks whether the clients' address could be bound. */
export const addressLookMs = 1_000;
/** A standby that ends waits this long for its primary to hear it. */
export const leavingMs = 250;
/** Standbys that are gone, for which a primary remembers since when. */
export const departedMost = 64;
/** Other nodes' link addresses that a primary tells a standby of, so that heirs of one primary find each other. */
export const othersMost = 8;
/** A peer that was refused has this long to read why, and close. */
export const refusedMs = 1_000;
/**
 * Handshakes on the link's port that may be under way at once, including refused ones that are not closed yet; and
 * those from one address.
 */
export const greetingsMax = 128;
export const greetingsOfAddressMax = 64;
/** A peer that has said hello is not closed for newcomers within this time: a round trip, and a lost segment. */
export const greetedMs = 500;
/** The longest `--ack-timeout`. */
export const ackTimeoutMsMost = 3_600_000;
/**
 * The share of the ack timeout for which a standby may take over after the primary is known to have heard it. A primary
 * that lost its standby holds its replies back for as long (docs/decisions/lease.md).
 */
export const leaseShare = 0.5;
/**
 * The margin that each side of a lease leaves for clocks that do not run alike: it answers for less time than it was
 * promised, and waits for more than it has promised, by this share. Two clocks may differ by 10 %.
 */
export const clockMargin = 0.2;
/** `--standbys`: most standbys of a primary. */
export const standbysMost = 8;
/** `--heartbeat`. */
export const heartbeatMsDefault = 20;
/**
 * `--dead-after` and `--ack-timeout` where they are not given: between two processes of one machine, and between
 * machines, where a lost packet keeps a connection silent for TCP's least retransmission time (Linux: 200 ms), and
 * every further loss of it for as long again (docs/decisions/dead-after.md).
 */
export const timesHere = { deadAfterMs: 100, ackTimeoutMs: 1_000 } as const;
export const timesBeyond = { deadAfterMs: 500, ackTimeoutMs: 2_000 } as const;
/** Secrets shorter than this are refused, longer ones too. */
export const secretBytesLeast = 16;
export const secretBytesMost = 4096;

assert(keyBytesMax < 256, 'a key length fits in the byte the item header has for it');
assert(lineBytesStreamed > lineBytesMax, 'only gets may be longer than a line');
assert(readBytesMax >= 2 * lineBytesStreamed, 'a streamed get leaves room to read more');
assert(replyRoomBytes * 4 < outputBytes, 'a reply fits in the output buffer');
assert(inputBytes >= 2 * readBytesMax, 'every tick can read at least one connection');
assert(unackedBytesMax > 4 * batchBytesMax, 'a full batch does not stop the world');
assert(
  4 * 2 ** bucketBitsMost + memoryBytesMax / pageBytesLeast < headBytesMost,
  'superblock, page table and buckets fit in one buffer, whatever -m',
);
assert(stagingBytes > 8 * batchBytesMax, 'so does one that is written by a card');
assert(greetingsMax + 16 <= linkConnections, 'strangers leave room for a standby and a herald');
assert(greetingsOfAddressMax * 2 <= greetingsMax, 'one address leaves room for others');
assert(greetedMs < helloMs, 'a hello has its deadline');
assert(unackedBatchesMax % 2 === 0, 'the ring of unacked batches is masked');
assert(authBytesMax + lineBytesMax < readBytesMax, 'user and password are read whole');
assert(datagramReplyBytesMost / datagramBytesMax < 65_536, 'datagrams of a reply can be numbered');
assert(
  prefixesMost * (keyBytesMax + 100) < replyRoomBytes,
  'a line for each prefix fits in a reply',
);
assert(blockBytes < batchBytesMax, 'a block is sent like a batch');
assert(challengeMs >= 2 * knockMs, 'one who reigns knocks before a node that starts answers');
assert(eventsMax * commandsPerLook <= 1024, 'who comes when the time is over makes no long tick');
assert(heartbeatMsDefault >= 5 * tickMs, 'a tick does not make a heartbeat late');
for (const { deadAfterMs, ackTimeoutMs } of [timesHere, timesBeyond]) {
  assert(deadAfterMs >= 3 * heartbeatMsDefault, 'one late heartbeat is not a death');
  const foundMs = deadAfterMs + 3 * heartbeatMsDefault;
  assert(foundMs <= ackTimeoutMs * leaseShare, 'a death is found before the lease is over');
  const promiseMs = deadAfterMs * (1 - clockMargin);
  assert(promiseMs >= 3 * heartbeatMsDefault, 'an idle primary is promised enough by heartbeats');
}
assert(leaseShare * (1 + clockMargin) < 1, 'a standby whose ack is late is still given a lease');
assert(
  1 +
    classesRegularMax +
    Math.log2(itemBytesMost / chunkBytesRegularMax) / Math.log2(chunkGrowthLargeLeast) <=
    classesMax,
  'a class number fits in the page table, whatever -I and -f',
);
