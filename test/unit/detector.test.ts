/** Silence is a death only for a standby that was awake to hear it. */
import { expect, test } from '@jest/globals';
import { Detector } from '../../failover/detector.js';

const deadAfterMs = 100;
const lookMs = 20;

test('a peer that was heard between all looks lives', () => {
  const detector = new Detector(lookMs, 0);
  for (let now = 20; now < 1000; now += 20)
    expect(detector.look(now, now - 5)).toBeLessThan(deadAfterMs);
});

test('a peer that is not heard any more is dead after the silence that was agreed on', () => {
  const detector = new Detector(lookMs, 0);
  expect(detector.look(20, 15)).toBeLessThan(deadAfterMs);
  const dead: number[] = [];
  for (let now = 40; now <= 200; now += 20) {
    if (detector.look(now, 15) >= deadAfterMs) dead.push(now);
  }
  expect(dead[0]).toBe(120);
});

test('the absence of the standby itself is not the death of the primary', () => {
  const detector = new Detector(lookMs, 0);
  expect(detector.look(20, 15)).toBeLessThan(deadAfterMs);
  expect(detector.look(1000, 15)).toBeLessThan(deadAfterMs);
});

test('nor is it when the primary was heard just before the absence', () => {
  const detector = new Detector(lookMs, 0);
  expect(detector.look(20, 15)).toBeLessThan(deadAfterMs);
  expect(detector.look(1000, 21)).toBeLessThan(deadAfterMs);
});
