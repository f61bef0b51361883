/** A primary and its standby over RDMA (libfabric's tcp provider), one of which cannot make one call of libfabric. */
import { describe, test } from '@jest/globals';
import { interposerMissing } from '../support/faults.js';
import { type Calls, roundsMs, tryBoth } from '../support/linked-nodes.js';
import { missing as fabricMissing, linkFlags } from '../support/links.js';

const missing = interposerMissing() ?? fabricMissing;

const calls: Calls = {
  fi_getinfo: ['ENOMEM', 'ENODATA'],
  fi_dupinfo: ['ENOMEM'],
  fi_fabric: ['ENOMEM'],
  fi_eq_open: ['ENOMEM', 'EMFILE'],
  fi_control: ['EIO'],
  fi_domain: ['ENOMEM'],
  fi_passive_ep: ['ENOMEM'],
  fi_pep_bind: ['EINVAL'],
  fi_listen: ['EADDRINUSE'],
  fi_getname: ['EIO'],
  fi_cq_open: ['ENOMEM', 'EMFILE'],
  fi_endpoint: ['ENOMEM'],
  fi_ep_bind: ['ENOMEM'],
  fi_enable: ['ENOMEM'],
  fi_accept: ['EIO', 'EAGAIN'],
  fi_connect: ['ECONNREFUSED', 'EIO'],
  fi_reject: ['EIO'],
  fi_shutdown: ['EIO'],
  fi_mr_reg: ['ENOMEM', 'EIO'],
  fi_writemsg: ['ENOMEM', 'EAGAIN', 'EIO'],
  fi_cq_read: ['EIO', 'ENOMEM'],
  fi_cq_readerr: ['EIO'],
  fi_eq_read: ['EIO', 'ENOMEM'],
  fi_eq_readerr: ['EIO'],
  fi_trywait: ['EAGAIN', 'EIO'],
  uv_poll_init: ['ENOSPC'],
  mmap: ['ENOMEM'],
};

(missing === null ? describe : describe.skip)('over rdma', () => {
  test(
    'nodes whose calls fail are in sync again',
    async () => {
      const primary = ['fi_writemsg', 'fi_cq_read', 'fi_accept', 'fi_endpoint'];
      const standby = ['fi_mr_reg', 'fi_connect', 'fi_endpoint'];
      // A standby that ends is waited for until its lease is over: others go on meanwhile.
      await tryBoth(linkFlags, calls, 2, { primary, standby });
    },
    roundsMs,
  );
});
