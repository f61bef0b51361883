/** Leases and silences are measured by a clock that a suspended machine does not stop. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const clock = JSON.stringify(join(__dirname, '../../src/native/clock.js'));
const asleepSeconds = 86_400;
/** In this time namespace the machine has slept for a day: CLOCK_BOOTTIME is ahead, CLOCK_MONOTONIC is not. */
const slept = ['--time', '--boottime', String(asleepSeconds)];
const possible = spawnSync('unshare', [...slept, 'true']).status === 0;

describe('the clock of the ticks', () => {
  (possible ? test : test.skip)('counts the time that the machine was suspended', () => {
    const script = `console.log(require(${clock}).monotonicMs() - Number(process.hrtime.bigint()) / 1e6)`;
    const aheadMs = (prefix: readonly string[]): number => {
      const [program, ...args] = [...prefix, process.execPath, '-e', script];
      return Number(execFileSync(program!, args, { encoding: 'utf8' }));
    };
    const hereMs = aheadMs([]);
    const thereMs = aheadMs(['unshare', ...slept]);
    expect(Math.round((thereMs - hereMs) / 1000)).toBe(asleepSeconds);
  });
});
