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
/** Tokens of a meta command, its word included: memcached has room for so many flags. */
export const metaTokensMost = 19;
/** Longest opaque token of a meta command, its `O` included. */
export const opaqueBytesMax = 32;
/** A line that has no newline after this many bytes closes the connection, unless it is a get (memcached's rule). */
export const lineBytesMax = 2048;
/** So does a line that is longer than this when it arrives whole: memcached's read buffer holds no more. */
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
/** Beyond it chunks grow by `-f`, at least by this factor: there must be classes enough up to the largest -I. */
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
/** Most buckets, as a power of two: what stands before the pages is one buffer. From 64 GiB on chains grow longer. */
export const bucketBitsMost = 29;
/** What one ArrayBuffer holds. */
export const headBytesMost = 4 * GiB - 4096;
/** Chunks of an opened region that a set looks at for a free one before it evicts an item. */
export const adoptChunksOnDemand = 16;
/** With -M: chunks of an opened region that one request looks at for a free one; well under a millisecond of work. */
export const adoptChunksPerRequest = 2048;
/** Fingerprints of items that were given up, as a power of two: half as many as buckets, but at least so many. */
export const ghostBitsLeast = 12;
/**
 * New items are on probation while they are among a share of their class: which, it learns within these bounds; and
 * among so many, in a class of few items at least so many.
 */
export const probationShareStart = 0.1;
export const probationShareLeast = 0.02;
export const probationShareMost = 0.5;
export const probationItemsLeast = 8;
export const probationItemsMost = 2 ** 19;
/** Items that are given up at once for a class without a page; who asked waits a tick for the next so many. */
export const seizeItemsMost = 500;
/** Pages of a class that are looked at for one that can be emptied at once. */
export const seizePagesMost = 256;
/** Items the hand of the eviction counts down for one victim. */
export const evictionLooksMost = 2000;
/** Larger items are not copied when their page is emptied: they are given up. */
export const moveBytesMost = 128 * KiB;
/** A page that could not be emptied for so long, because its bytes are being sent or filled, stays where it is. */
export const moveSecondsMost = 10;
/** Pages that may change class in a second, as a share of all (but at least one). */
export const balanceMovesShare = 1 / 64;
/** Work of one turn in the background, counted in items looked at: well under a millisecond. */
export const upkeepLooks = 2000;
/** Between two turns in the background: while there is work, and while there is none. */
export const upkeepPauseMs = 1;
export const upkeepIdleMs = 100;
/** What changing an item costs, counted in items looked at. */
export const upkeepLooksPerChange = 4;
/** The crawler begins by itself after so many seconds: soon while it finds dead items, seldom while it does not. */
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
/** TLS handshakes under way at once; one more ends the oldest of the address that has the most. */
export const tlsHandshakesMost = 256;
/** What a node needs at most for each byte of its region, and beside it (docs/OPERATING.md, Memory). */
export const bytesPerRegionByte = 1.1;
export const bytesBesideRegion = 80 * MiB;
/** How long a process that ends waits until what it has said is written. */
export const lastWordsMs = 200;
/** Reports that whoever started this process has not read yet; more are not sent. */
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
/** Watchers at once (memcached's WATCHER_LIMIT), and what one of them may have unsent before lines are skipped. */
export const watchersMost = 20;
export const watcherBytesMax = 256 * KiB;
/** Lines of one tick, times those who watch: past so many bytes the commands that make lines wait for the next. */
export const watchedBytesPerTick = MiB;
/** Prefixes that `stats detail` counts: as many as its answer has room for. */
export const prefixesMost = 1000;

/** Shared input buffer of the transport. */
export const inputBytes = 4 * MiB;
/** Shared output buffer of the transport: what all replies of a tick may copy. */
export const outputBytes = 4 * MiB;
/**
 * Connections served in one tick. Few, so that the standby works on a batch while the next is made: with all ready
 * connections in one tick, clients, primary and standby would wait for each other in turn.
 */
export const eventsMax = 8;
/** A tick that has executed for so long leaves the rest for the next. */
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
/** Of values that are made of others (append) so much is copied in a tick; the connections of a tick share it. */
export const copyBytesPerTick = 512 * KiB;
/** To copy so many bytes takes as long as many commands: the clock is looked at. Any connection may do it in a tick. */
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
/** While replies hold all memory, one that has been read for so long is given up, and its reader closed. */
export const slowReaderMs = 1_000;
/** While half-sent values hold all they may, one that stands still for so long is given up, and its sender closed. */
export const stalledSenderMs = 5_000;
/** Descriptors that a node needs beside its listeners and its clients: links and their strangers, files, Node's own. */
export const ownDescriptors = 64;
/** A closed connection whose peer does not read the rest is given up after this long. */
export const drainingMs = 10_000;

/** Bytes of a batch, its header excluded. A range that does not fit is carried in pieces (law 2 allows any cut). */
export const batchBytesMax = MiB;
/** Committed bytes that are not acked yet; at this mark clients are not executed until acks come in. */
export const unackedBytesMax = 32 * MiB;
/** Ring of the RDMA link, in which writes wait for their completion; half full it stops the clients. */
export const stagingBytes = 16 * MiB;
/** A standby has this long to connect to the RDMA link that its primary offers, and to open its memory to it. */
export const fabricMs = 5_000;
/** `--link-spin`: most microseconds that an ack is waited for within the tick. */
export const linkSpinUsMost = 1_000;

/** Ack latencies that SIGUSR2 writes: the newest. */
export const latenciesKept = 1_000_000;

/** Batches sent and not acked; more of them stop the clients. A power of two. */
export const unackedBatchesMax = 2 ** 17;
/**
 * Bytes of a block that resync copies at once; and bytes, and blocks, on their way at the same time: the resync's rate
 * limit.
 */
export const blockBytes = 256 * KiB;
export const copyBytesInFlightMax = 2 * blockBytes;
export const blocksInFlightMax = 64;
/** What a resync looks at before the loop turns: bytes of the region, and ms. */
export const lookBytesMax = MiB;
export const lookMsMax = 1;
/** What a look costs at least, in bytes: where nothing was ever written, none are read. */
export const lookBytesLeast = 4 * KiB;
/** Longest control message (hello, welcome, refusal) on the node-to-node connection. */
export const controlBytesMax = 4096;
/** A node-to-node connection that has not finished its hello after this long is closed. */
export const helloMs = 5_000;
/** A standby that copies may say nothing for this long; so long it may take to map its memory, or to wipe a file. */
export const copyingMs = 60_000;
/** How often a node that has taken over knocks where its old primary was. */
export const knockMs = 400;
/** A node that starts with a cache of its own listens for so long for one who reigns, before it answers clients. */
export const challengeMs = 1_000;
/** A primary that was deposed by a node which then stood still comes to that node's link port within so long. */
export const oldComesMs = 2_500;
/** A standby that finds no primary tries again after this long, doubled each time up to the most. */
export const attachAgainMsLeast = 50;
export const attachAgainMsMost = 1_000;
/** What keeps a node from its work is said again after this long. */
export const complaintMs = 60_000;
/** How often a standby looks whether the clients' address could be bound. */
export const addressLookMs = 1_000;
/** A standby that ends waits this long for its primary to hear it. */
export const leavingMs = 250;
/** Standbys that are gone, of which a primary remembers since when. */
export const departedMost = 64;
/** One that was refused is left this long to read why, and close. */
export const refusedMs = 1_000;
/**
 * Greetings on the link's port that may be under way at once, refused ones that are not closed yet included; and those
 * of one address.
 */
export const greetingsMax = 128;
export const greetingsOfAddressMax = 64;
/** One that has said hello is not closed for newcomers within this long: a round trip, and a lost segment. */
export const greetedMs = 500;
/** The longest `--ack-timeout`. */
export const ackTimeoutMsMost = 3_600_000;
/**
 * A standby may take over for this share of the ack timeout after the primary is known to have heard it; so long,
 * too, a primary that lost its standby keeps its replies back (docs/decisions/lease.md).
 */
export const leaseShare = 0.5;
/**
 * What each side of a lease leaves for clocks that do not run alike: it answers for so much less than it was promised,
 * and waits for so much longer than it has promised. Two clocks may differ by 10 %.
 */
export const clockMargin = 0.2;
/** `--heartbeat`. */
export const heartbeatMsDefault = 20;
/**
 * `--dead-after` and `--ack-timeout` where they are not given: between two processes of one machine, and between
 * machines, where a lost packet keeps a connection silent for TCP's least retransmission time (Linux: 200 ms), and a
 * packet that is lost twice for three times as long (docs/decisions/dead-after.md).
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
