import { expect, test } from 'vitest';

import { averaged, centred } from './ink';
import { planes } from './pixels';
import { arrangeTiles, tileOrigin, tileAt } from './tiles';

test.each([
  [25, 26, 26, 760, 38, 1],
  [50, 11, 11, 760, 38, 2],
  [32, 112, 112, 340, 38, 3],
  [100, 1, 1, 760, 38, 1],
  [16, 1, 200, 340, 38, 1],
])('%i maps of %ix%i fill %i pixels and no more, and each is found under the pointer', (count, h, w, space, least, density) => {
  const tiles = arrangeTiles(count, h, w, space, least, density);
  expect(tiles.columns * (tiles.width + tiles.gap) - tiles.gap).toBeLessThanOrEqual(space * density + tiles.gap);
  expect(tiles.columns * tiles.rows).toBeGreaterThanOrEqual(count);
  for (const unit of [0, 1, count - 1]) {
    const { x, y } = tileOrigin(tiles, unit);
    expect(tileAt(tiles, [count, h, w], x, y)).toEqual({ unit, row: 0, column: 0 });
    // Where values are smaller than pixels, the last pixel holds several.
    const far = tileAt(tiles, [count, h, w], x + tiles.width - 1e-6, y + tiles.height - 1e-6);
    expect(far).toEqual({ unit, row: h - 1, column: w - 1 });
    const gap = tileAt(tiles, [count, h, w], x + tiles.width + 0.5, y + tiles.height + 0.5);
    expect(gap).toEqual({ unit, row: h - 1, column: w - 1 });
    expect(tileAt(tiles, [count, h, w], x + tiles.width + tiles.gap, y)?.unit).not.toBe(unit);
  }
  expect(tileAt(tiles, [count, h, w], -1, 0)).toBeNull();
});

test('the grey of a pixel is the mean of its samples', () => {
  const rgba = new Uint8ClampedArray(4 * 4 * 2 * 4);
  for (let index = 0; index < 8; index++) rgba[4 * index + 3] = 255; // the first row of samples, of both pixels
  expect([...averaged(rgba, 1, 2)]).toEqual([64, 64]);
});

test('pictures become planes', () => {
  const rgba = Uint8ClampedArray.of(10, 20, 30, 255, 40, 50, 60, 255);
  expect([...planes(rgba, 3)]).toEqual([10, 40, 20, 50, 30, 60]);
  expect([...planes(rgba, 1)]).toEqual([18, 48]);
});

test('ink moves to the middle, and none of it is lost', () => {
  const corner = new Uint8Array(64);
  corner[0] = corner[1] = corner[8] = 200;
  const moved = centred(corner, 8, 8);
  expect([...moved.keys()].filter((at) => moved[at] === 200)).toEqual([4 * 8 + 4, 4 * 8 + 5, 5 * 8 + 4]);
  const wide = new Uint8Array(64);
  wide[0] = 255; // the mass is here, and a thin line goes to the other edge
  for (let at = 1; at < 8; at++) wide[at] = 1;
  expect([...centred(wide, 8, 8)].reduce((sum, value) => sum + value, 0)).toBe(255 + 7);
  expect(centred(new Uint8Array(64), 8, 8)).toEqual(new Uint8Array(64));
});
