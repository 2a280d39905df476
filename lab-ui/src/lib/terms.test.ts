import { expect, test } from 'vitest';

import type { Inspection } from './live.svelte';
import { indicesOfLargest, nextPosition, channelTerms } from './terms';

const found = {
  shape: [2, 1, 2],
  window: [1, 2, 3, 4],
  weights: [10, 0.5, -1, 0],
  channels: [4, 6],
} as unknown as Inspection;

test('the window is cut into channels, whose products add up', () => {
  expect(channelTerms(found)).toEqual([
    { channel: 4, window: [1, 2], weights: [10, 0.5], products: [10, 1], total: 11 },
    { channel: 5, window: [3, 4], weights: [-1, 0], products: [-3, 0], total: -3 },
  ]);
  expect(channelTerms({ ...found, weights: null })[1]?.products).toEqual([3, 4]);
  expect(channelTerms({ ...found, shape: [4] }).map(({ total }) => total)).toEqual([10, 1, -3, 0]);
});

test('the largest terms are found whatever their sign', () => {
  expect(indicesOfLargest([1, -5, 3], 2)).toEqual([1, 2]);
});

test('positions go round row by row', () => {
  expect(nextPosition({ row: 0, column: 2 }, 1, 2, 3)).toEqual({ row: 1, column: 0 });
  expect(nextPosition({ row: 1, column: 2 }, 1, 2, 3)).toEqual({ row: 0, column: 0 });
  expect(nextPosition({ row: 0, column: 0 }, -1, 2, 3)).toEqual({ row: 1, column: 2 });
});
