import { expect, test } from 'vitest';

import type { Inspection } from './live.svelte';
import { channelTerms, indicesOfLargest, nearestPosition, nextPosition, positionOf } from './terms';

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

test('an address names a position, along two axes or one', () => {
  expect(positionOf('conv1:3@4,7')).toEqual({ row: 4, column: 7 });
  expect(positionOf('conv1:3@7')).toEqual({ row: 0, column: 7 });
  expect(positionOf('dense1:3')).toBeNull();
});

test('the window nearest to a place in the input is found, and stays in the map', () => {
  // 3x3 windows, two apart, without padding: that of row r is centred at 2 r + 1
  const taps = [[2, 3, 4], [4, 5, 6]];
  const near = (row: number, column: number) => nearestPosition([row, column], taps, { row: 1, column: 2 }, [2, 2], [5, 5]);
  expect(near(3, 5)).toEqual({ row: 1, column: 2 });
  expect(near(7, 1)).toEqual({ row: 3, column: 0 });
  expect(near(0, 100)).toEqual({ row: 0, column: 4 });
  expect(nearestPosition([9, 8], [[4, 5, 6]], { row: 0, column: 4 }, [1], [1, 9])).toEqual({ row: 0, column: 7 });
});
