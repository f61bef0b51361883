/**
 * Which link two nodes use: what each wants (`--transport`) and what each can do, and from that one answer with its
 * reason. Pure.
 *
 *                 tcp        auto                                  rdma
 *      tcp        tcp        tcp                                   refused
 *      auto       tcp        rdma if both have verbs, else tcp     rdma if both have a provider, else refused
 *      rdma       refused    (as the other way round)              (the same)
 */
import { HotspareError } from '../../src/base/errors.js';
import {
  type FabricProvider,
  fabricProviders,
  type Transport,
  transports,
} from '../../src/native/fabric.js';

/** What one node brings. */
export interface LinkOffer {
  readonly transport: Transport;
  /** Providers of one-sided writes that it can use for this peer, best first. */
  readonly providers: readonly FabricProvider[];
  /** Why `verbs` is not among them; empty when it is. */
  readonly lacks: string;
}

export interface LinkChoice {
  /** Null: the TCP link. */
  readonly provider: FabricProvider | null;
  /** A sentence for the log. */
  readonly why: string;
}

/** The link of both. Returns an error where they exclude each other. */
export function chooseLink(primary: LinkOffer, standby: LinkOffer): LinkChoice | HotspareError {
  const wants = [primary.transport, standby.transport];
  const forced = wants.includes('rdma');
  if (wants.includes('tcp')) {
    if (!forced) return { provider: null, why: 'as --transport says' };
    return new HotspareError(
      'LINK_REFUSED',
      `the primary has --transport ${primary.transport}, the standby ${standby.transport}`,
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

/** The offer that a peer's words make; unknown words make the least of offers. */
export function parseOffer(transport: string, providers: string, lacking: string): LinkOffer {
  const named = providers.split(',');
  return {
    transport: transports.find((one) => one === transport) ?? 'tcp',
    providers: fabricProviders.filter((provider) => named.includes(provider)),
    lacks: lacking,
  };
}
