/** A primary and its standby over TCP, one of which cannot make one call into the system (linked-nodes.ts). */
import { describe, test } from '@jest/globals';
import { interposerMissing, short } from '../support/faults.js';
import { type Calls, roundsMs, tryBoth } from '../support/linked-nodes.js';

const missing = interposerMissing();
if (missing !== null) process.stderr.write(`${missing}\n`);

const calls: Calls = {
  accept4: ['EMFILE', 'ECONNABORTED'],
  socket: ['EMFILE', 'ENOBUFS'],
  connect: ['EADDRNOTAVAIL', 'ENETUNREACH', 'ENOMEM'],
  recv: ['ECONNRESET', short, 'EAGAIN'],
  readv: ['ECONNRESET', short],
  send: ['EPIPE', short, 'EAGAIN', 'ENOBUFS'],
  sendmsg: ['EPIPE', short, 'ENOMEM'],
  epoll_ctl: ['ENOSPC'],
  getsockopt: ['ENOBUFS'],
  getpeername: ['ENOBUFS'],
  getsockname: ['ENOBUFS'],
  setsockopt: ['ENOBUFS'],
  pread: ['EIO', short],
  lseek: ['EIO'],
  mmap: ['ENOMEM'],
  munmap: ['ENOMEM'],
  fallocate: ['EOPNOTSUPP'],
  pthread_create: ['EAGAIN'],
  memfd_create: ['EMFILE'],
  ftruncate: ['ENOMEM'],
};

(missing === null ? describe : describe.skip)('over tcp', () => {
  test(
    'nodes whose calls fail are in sync again',
    () => {
      const reached = ['recv', 'send', 'epoll_ctl'];
      return tryBoth([], calls, 1, { primary: reached, standby: reached });
    },
    roundsMs,
  );
});
