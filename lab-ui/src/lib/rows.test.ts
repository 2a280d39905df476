import { expect, test } from 'vitest';

import type { Layer } from './api';
import { hasMany, lines, mapsHeight } from './rows';

const layer = (...shape: number[]) => ({ shape }) as unknown as Layer;

test('rows are as high as the tiles that fit beside each other', () => {
  // Three maps of 10 x 10 in 200 pixels: side by side, and as large as fits.
  const one = mapsHeight(layer(3, 10, 10), 200, { density: 1 });
  expect(one).toBeGreaterThan(38);
  expect(one).toBeLessThanOrEqual(96);
  // Ten times as many maps take several rows, at least 38 pixels each and 3 between.
  const many = mapsHeight(layer(30, 10, 10), 200, { density: 1 });
  const rows = Math.ceil(30 / Math.floor((200 + 3) / (38 + 3)));
  expect(many).toBeGreaterThanOrEqual(rows * 38 + (rows - 1) * 3);
  expect(mapsHeight(layer(300, 10, 10), 200, { density: 1, most: 30 })).toBe(many);
  // Maps take whole device pixels: finer ones leave less of the room unused, and never more rows.
  const fine = mapsHeight(layer(30, 10, 10), 200, { density: 2 });
  expect(fine).toBeGreaterThanOrEqual(many);
  expect(fine).toBeLessThanOrEqual((rows * (200 + 3)) / Math.floor((200 + 3) / (38 + 3)));
  expect(mapsHeight(layer(3, 10, 10), 0)).toBe(0);
});

test('only layers of maps have too many', () => {
  expect(hasMany(layer(129, 2, 2))).toBe(true);
  expect(hasMany(layer(128, 2, 2))).toBe(false);
  expect(hasMany(layer(1000))).toBe(false);
  expect([lines('abc', 3), lines('abcd', 3), lines('', 3)]).toEqual([1, 2, 1]);
});
