/** Checks of libfabric, its providers and devices. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fabricRemedy, newFabric } from '../../backup/link/fabrics.js';
import { anywhere } from '../../backup/mirror-settings.js';
import { isOwnAddress, ownAddresses } from '../../src/base/own-addresses.js';
import { failed } from '../../src/native/addon.js';
import { type FabricProvider, fabric, fabricProviders } from '../../src/native/fabric.js';
import type { Finding } from './finding.js';

const devices = '/sys/class/infiniband';
const softDevice = 'make one of Soft-RoCE: rdma link add rxe0 type rxe netdev DEV';

export function fabrics(host: string, providers: readonly FabricProvider[]): Finding[] {
  const version = fabric.fabricVersion();
  if (failed(version)) {
    const { error } = version;
    const remedy = fabricRemedy(version);
    return [{ what: 'libfabric', state: 'fail', found: error, remedy }, ...ports()];
  }
  const found: Finding = { what: 'libfabric', state: 'good', found: version, remedy: '' };
  return [found, ...providers.map((provider) => providerAt(provider, host)), ...ports()];
}

function providerAt(provider: FabricProvider, host: string): Finding {
  const what = `provider ${provider}`;
  // libfabric's tcp provider finds itself at any address, so the address is checked here.
  if (!anywhere.includes(host) && isOwnAddress(host) === false) {
    // Link-local addresses need their interface named, which `--link-listen` does not take.
    const addresses = (ownAddresses() ?? []).filter(({ address }) => !address.startsWith('fe80:'));
    return {
      what,
      state: 'fail',
      found: `${host} is not an address of this machine`,
      remedy: `name one with --host: ${addresses.map(({ address }) => address).join(', ')}`,
    };
  }
  const found = fabric.fabricFind({ provider, host, port: 0, passive: true });
  if (!failed(found)) {
    const { device, inlineBytes, queueLength } = found;
    const sizes = `writes up to ${inlineBytes} bytes inline, ${queueLength} in the queue`;
    return { what, state: 'good', found: `${device} at ${host}: ${sizes}`, remedy: '' };
  }
  return {
    what,
    state: 'fail',
    found: `nothing at ${host}: ${found.error}`,
    remedy: missing(provider),
  };
}

/** The remedy where libfabric finds nothing of this provider at an address of this machine. */
function missing(provider: FabricProvider): string {
  const only = process.env['FI_PROVIDER']?.split(',') ?? fabricProviders;
  if (!only.includes(provider)) return 'unset FI_PROVIDER';
  return provider === 'tcp'
    ? newFabric
    : `name the device’s own address with --host; or, without a device, ${softDevice}`;
}

/** The devices' ports, and whether their links are up. */
function ports(): Finding[] {
  const names = existsSync(devices) ? readdirSync(devices) : [];
  if (names.length === 0) {
    const remedy = `load the driver of the card (lspci -k); or, without a card, ${softDevice}`;
    return [{ what: 'devices', state: 'fail', found: 'none', remedy }];
  }
  return names.flatMap((name) =>
    readdirSync(`${devices}/${name}/ports`).map((port): Finding => {
      const file = (field: string): string =>
        readFileSync(`${devices}/${name}/ports/${port}/${field}`, 'utf8').trim();
      const state = file('state').replace(/^\d+: /, '');
      const active = state === 'ACTIVE';
      return {
        what: `device ${name}`,
        state: active ? 'good' : 'note',
        found: `port ${port} ${state}, ${file('link_layer')}, ${file('rate')}`,
        remedy: active ? '' : 'bring its link up: ip link set DEV up, or check the cable',
      };
    }),
  );
}
