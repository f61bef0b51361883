/** A primary's questions about other nodes, as observations: role.ts answers them. */
import type { PrimaryVerdicts } from '../backup/primary/primary.js';
import type { Observe } from './attachment.js';
import { decide, firstRole } from './role.js';

/** `isOld`: there the old primary lets standbys attach. Where the node has ended, nothing changes any more. */
export function primaryVerdicts(
  observe: Observe,
  isOld: (link: string) => boolean = () => false,
): PrimaryVerdicts {
  return {
    met: (ours, theirs) => observe({ what: 'metReign', ours, theirs }) ?? 'apart',
    claimed: (claim) => observe({ what: 'claimed', ...claim }) ?? 'ours',
    counted: (link) => {
      observe({ what: 'counted' });
      if (link !== null && isOld(link)) observe({ what: 'oldMirrors' });
    },
    gone: (loss) => observe({ what: 'standbyGone', ...loss }) ?? 'hold',
    holdOver: () => void observe({ what: 'holdOver' }),
  };
}

/** The verdicts of a node that reigns and does nothing else: of a primary that is measured, or tested, by itself. */
export function lonePrimaryVerdicts(): PrimaryVerdicts {
  let role = { ...firstRole('starting', { isSupervised: true, deadAfterMs: 0 }) };
  return primaryVerdicts((seen) => {
    const decided = decide(role, seen, 0);
    role = decided.role;
    return decided.verdict;
  });
}
