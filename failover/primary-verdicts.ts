/**
 * Answers a primary's questions about other nodes: each goes to role.ts as an observation, and comes back as a verdict.
 */
import type { PrimaryVerdicts } from '../backup/primary/verdicts.js';
import type { Observe } from './attachment.js';
import { decide, firstRole } from './role.js';

/** `isOld`: whether this is the primary that was taken over from, deposed by this node. */
export function primaryVerdicts(
  observe: Observe,
  isOld: (node: string, deposedBy: string) => boolean = () => false,
): PrimaryVerdicts {
  return {
    met: (ours, theirs) => observe({ what: 'metReign', ours, theirs }) ?? 'apart',
    claimed: (claim) => observe({ what: 'claimed', ...claim }) ?? 'ours',
    visited: (node, deposedBy) => {
      if (isOld(node, deposedBy)) observe({ what: 'oldYields' });
    },
    came: (newcomer) => observe({ what: 'standbyCame', ...newcomer }) ?? 'busy',
    counted: () => void observe({ what: 'counted' }),
    gone: (loss, others) => observe({ what: 'standbyGone', ...loss, others }) ?? 'hold',
    holdOver: (others) => void observe({ what: 'holdOver', others }),
  };
}

/** The verdicts for a primary that is measured or tested by itself, without a node. */
export function lonePrimaryVerdicts(standbysMost: number): PrimaryVerdicts {
  let role = {
    ...firstRole('starting', {
      isSupervised: true,
      standbysMost,
      deadAfterMs: 0,
    }),
  };
  return primaryVerdicts((seen) => {
    const decided = decide(role, seen, 0);
    role = decided.role;
    return decided.verdict;
  });
}
