/** Which link two nodes use: every pair of wishes, with and without a device. */
import { describe, expect, test } from '@jest/globals';
import {
  chooseLink,
  type LinkChoice,
  type LinkOffer,
  parseOffer,
} from '../../backup/link/link-choice.js';
import { linkPreferences } from '../../backup/mirror-settings.js';
import { HotspareError } from '../../src/base/errors.js';

const both = (linkPreference: LinkOffer['linkPreference']): LinkOffer =>
  parseOffer(linkPreference, 'verbs,tcp', '');
const soft = (linkPreference: LinkOffer['linkPreference']): LinkOffer =>
  parseOffer(linkPreference, 'tcp', 'no verbs device');
const none = (linkPreference: LinkOffer['linkPreference']): LinkOffer =>
  parseOffer(linkPreference, '', 'no libfabric');

const said = (result: LinkChoice | HotspareError): string =>
  result instanceof HotspareError ? 'refused' : (result.provider ?? 'tcp link');

describe('two nodes', () => {
  test.each([
    ['tcp', 'tcp', 'tcp link', 'tcp link', 'tcp link'],
    ['tcp', 'auto', 'tcp link', 'tcp link', 'tcp link'],
    ['tcp', 'rdma', 'refused', 'refused', 'refused'],
    ['auto', 'auto', 'verbs', 'tcp link', 'tcp link'],
    ['auto', 'rdma', 'verbs', 'tcp', 'refused'],
    ['rdma', 'rdma', 'verbs', 'tcp', 'refused'],
  ] as const)('%s and %s', (one, other, withDevice, without, bare) => {
    for (const [primary, standby] of [
      [one, other],
      [other, one],
    ] as const) {
      expect(said(chooseLink(both(primary), both(standby)))).toBe(withDevice);
      expect(said(chooseLink(both(primary), soft(standby)))).toBe(without);
      expect(said(chooseLink(soft(primary), both(standby)))).toBe(without);
      expect(said(chooseLink(both(primary), none(standby)))).toBe(bare);
    }
  });

  test('are told what is missing, and where', () => {
    const choice = chooseLink(both('auto'), soft('auto'));
    expect(choice).toMatchObject({ why: 'the standby: no verbs device' });
    const refusal = chooseLink(none('rdma'), soft('auto')) as HotspareError;
    expect(refusal.message).toMatch(/the primary: no libfabric/);
  });

  test('that say what nobody knows are taken for the least', () => {
    expect(parseOffer('carrier pigeon', 'shm,verbs;ofi_rxm,tcp', '')).toMatchObject({
      linkPreference: 'tcp',
      providers: ['tcp'],
    });
    expect(linkPreferences).toContain('tcp');
  });
});
