/**
 * Chooses the link of two nodes, with a reason, from what each asks for (`--transport`) and what each can do. Pure.
 *
 *                 tcp        auto                                  rdma
 *      tcp        tcp        tcp                                   refused
 *      auto       tcp        rdma if both have verbs, else tcp     rdma if both have a provider, else refused
 *      rdma       refused    (as the other way round)              (the same)
 */
import { HotspareError } from '../../src/base/errors.js';
import { type FabricProvider, fabricProviders } from '../../src/native/fabric.js';
import { type LinkPreference, linkPreferences } from '../mirror-settings.js';

/** A node's offer: the links that it asks for, and can have. */
export interface LinkOffer {
  readonly linkPreference: LinkPreference;
  /** Providers of one-sided writes that the node can use for this peer, best first. */
  readonly providers: readonly FabricProvider[];
  /** Why `verbs` is not among the providers; empty when it is. */
  readonly lacks: string;
}

export interface LinkChoice {
  /** Null for the TCP link. */
  readonly provider: FabricProvider | null;
  /** The reason, for the log. */
  readonly why: string;
}

/** Chooses the link of both. Returns an error where the two offers exclude each other. */
export function chooseLink(primary: LinkOffer, standby: LinkOffer): LinkChoice | HotspareError {
  const wants = [primary.linkPreference, standby.linkPreference];
  const forced = wants.includes('rdma');
  if (wants.includes('tcp')) {
    if (!forced) return { provider: null, why: 'as --transport says' };
    return new HotspareError(
      'LINK_REFUSED',
      `the primary has --transport ${primary.linkPreference}, the standby ${standby.linkPreference}`,
      'give both nodes the same --transport',
    );
  }
  const common = fabricProviders.filter(
    (provider) => primary.providers.includes(provider) && standby.providers.includes(provider),
  );
  const lacking = lacks(primary, standby);
  if (common[0] === 'verbs') return { provider: 'verbs', why: 'both nodes have a device' };
  if (!forced) return { provider: null, why: lacking };
  if (common[0] !== undefined) return { provider: common[0], why: lacking };
  return new HotspareError(
    'LINK_REFUSED',
    `--transport rdma cannot be had: ${lacking}`,
    'run hotspare doctor on both nodes',
  );
}

function lacks(primary: LinkOffer, standby: LinkOffer): string {
  const said = [
    primary.lacks === '' ? '' : `the primary: ${primary.lacks}`,
    standby.lacks === '' ? '' : `the standby: ${standby.lacks}`,
  ].filter((one) => one !== '');
  return said.length === 0 ? 'they have no provider in common' : said.join('; ');
}

/** The offer in a peer's PROOF. Unknown words make the least of offers, TCP. */
export function parseOffer(linkPreference: string, providers: string, lacking: string): LinkOffer {
  const named = providers.split(',');
  return {
    linkPreference: linkPreferences.find((one) => one === linkPreference) ?? 'tcp',
    providers: fabricProviders.filter((provider) => named.includes(provider)),
    lacks: lacking,
  };
}
