/** What a node tries again and again is logged once a minute, and at once where it is new. */
import { expect, test } from '@jest/globals';
import { LogThrottle } from '../../failover/log-throttle.js';
import { HotspareError } from '../../src/base/errors.js';
import { complaintMs } from '../../src/base/limits.js';

function throttled() {
  const lines: string[] = [];
  const log = {
    say: (line: string) => void lines.push(`said: ${line}`),
    detail: (line: string) => void lines.push(line),
  };
  return { throttle: new LogThrottle(log), lines };
}

test('a line of -v', () => {
  const { throttle, lines } = throttled();
  for (let ms = 0; ms < complaintMs; ms++) {
    throttle.detail('binding: bindFailed → binding', ms);
    throttle.detail('binding: paused → binding', ms);
  }
  expect(lines).toEqual(['binding: bindFailed → binding', 'binding: paused → binding']);
  throttle.detail('binding: paused → binding', complaintMs);
  expect(lines).toHaveLength(3);
  throttle.forget();
  throttle.detail('binding: paused → binding', complaintMs + 1);
  expect(lines).toHaveLength(4);
});

test('an error', () => {
  const { throttle, lines } = throttled();
  const error = new HotspareError('LISTEN', 'failed to listen', 'stop what serves there');
  for (let ms = 0; ms <= complaintMs; ms++) throttle.say(error, 'trying on', ms);
  const line = 'said: failed to listen; trying on (stop what serves there)';
  expect(lines).toEqual([line, line]);
});
