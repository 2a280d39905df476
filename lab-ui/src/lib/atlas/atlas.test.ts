import { expect, test } from 'vitest';

import { parseColour } from '../colours';
import { Bins } from './bins';
import { clamped, fitted, panned, same, toScreen, toWorld, towards, zoomed, type Limits } from './camera';
import { inputsOf, partsOf, rightOnes, type Embedding, type Inputs } from './inputs';
import { medians } from './labels';
import { classColour } from './palette';
import { drawColours, drawFrame, drawInk, inkOf, inkTable, packed, resample, type Raster, type Tile } from './raster';
import { readSafetensors } from './safetensors';
import { scaleOf, WORLD } from './scale';
import { byTile } from './sheets';
import { thinned } from './thinning';

const view = { width: 900, height: 600 };
const limits: Limits = { world: WORLD, least: 300, most: 30_000 };

/** Numbers that look random and are always the same. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

test('all of the world is in view, in the middle, and a corner comes back from the screen', () => {
  const camera = fitted(WORLD, view, 20);
  const low = toScreen(camera, view, 0, 0);
  const high = toScreen(camera, view, WORLD.width, WORLD.height);
  expect(low.x).toBeGreaterThanOrEqual(20 - 1e-9);
  expect(low.y).toBeCloseTo(20);
  expect(high.y).toBeCloseTo(580);
  expect(low.x + high.x).toBeCloseTo(900);
  expect(toWorld(camera, view, high.x, high.y)).toEqual({ x: expect.closeTo(WORLD.width), y: expect.closeTo(1) });
});

test.each([1.7, 0.6, 1000])('zooming by %d keeps what is under the pointer there, within the limits', (factor) => {
  const camera = { x: 0.6, y: 0.5, scale: 800 };
  const at = { x: 500, y: 320 };
  const before = toWorld(camera, view, at.x, at.y);
  const after = zoomed(camera, view, at, factor, limits);
  expect(after.scale).toBeCloseTo(Math.min(800 * factor, limits.most));
  const under = toWorld(after, view, at.x, at.y);
  expect(under.x).toBeCloseTo(before.x);
  expect(under.y).toBeCloseTo(before.y);
});

test('on the way of a zoom what is under the pointer stays there, too', () => {
  const from = { x: 0.6, y: 0.5, scale: 800 };
  const at = { x: 700, y: 100 };
  const to = zoomed(from, view, at, 6, limits);
  const fixed = toWorld(from, view, at.x, at.y);
  for (const share of [0.1, 0.5, 0.9]) {
    const camera = towards(from, to, share);
    const seen = toScreen(camera, view, fixed.x, fixed.y);
    expect(seen.x).toBeCloseTo(at.x, 3);
    expect(seen.y).toBeCloseTo(at.y, 3);
    expect(Math.log(camera.scale / 800) / Math.log(6)).toBeCloseTo(share);
  }
  expect(towards(from, { ...from, x: 0.8 }, 0.5).x).toBeCloseTo(0.7);
  expect(same(towards(from, to, 0.99999), to)).toBe(true);
  expect(same(from, to)).toBe(false);
});

test('the world can be moved until its edge is in the middle, and no farther', () => {
  expect(panned({ x: 0.6, y: 0.5, scale: 800 }, 80, -40, limits)).toEqual({ x: 0.5, y: 0.55, scale: 800 });
  expect(panned({ x: 0.6, y: 0.5, scale: 800 }, 8000, 0, limits).x).toBe(0);
  expect(clamped({ x: 9, y: -1, scale: 1 }, limits)).toEqual({ x: WORLD.width, y: 0, scale: 300 });
});

test('bins find what is in a rectangle, and the nearest point, as a look at all points does', () => {
  const [xs, ys] = [numbers(3000, 1).map((x) => x * WORLD.width), numbers(3000, 2)];
  const bins = new Bins(xs, ys, WORLD);
  const out = new Int32Array(3000);
  for (const [x0, y0, x1, y1] of [[0.2, 0.3, 0.5, 0.4], [-1, -1, 2, 2], [0.7, 0.7, 0.71, 0.71]] as const) {
    const found = new Set(out.subarray(0, bins.within(x0, y0, x1, y1, out)));
    xs.forEach((x, index) => {
      const y = ys[index] as number;
      if (x >= x0 && x <= x1 && y >= y0 && y <= y1) expect(found.has(index)).toBe(true);
    });
    expect(found.size).toBe(bins.within(x0, y0, x1, y1, out)); // none of them twice
  }
  const odd = (index: number) => index % 2 === 1;
  for (const [x, y] of [[0.5, 0.5], [0, 0], [1.2, 0.9]] as const) {
    const apart = (index: number) => ((xs[index] as number) - x) ** 2 + ((ys[index] as number) - y) ** 2;
    const nearest = [...xs.keys()].filter(odd).sort((a, b) => apart(a) - apart(b))[0];
    expect(bins.nearest(x, y, 0.2, odd)).toBe(nearest);
  }
  expect(bins.nearest(0.5, 0.5, 1e-9, () => true)).toBe(-1);
});

test('the next point in a direction lies in it, and none is nearer', () => {
  const [xs, ys] = [numbers(500, 3).map((x) => x * WORLD.width), numbers(500, 4)];
  const bins = new Bins(xs, ys, WORLD);
  const all = () => true;
  for (const start of [0, 17, 99]) {
    const next = bins.towards(start, 1, 0, all);
    if (next < 0) continue;
    const [dx, dy] = [(xs[next] as number) - (xs[start] as number), (ys[next] as number) - (ys[start] as number)];
    expect(dx).toBeGreaterThanOrEqual(Math.abs(dy));
    xs.forEach((x, index) => {
      const [ex, ey] = [x - (xs[start] as number), (ys[index] as number) - (ys[start] as number)];
      if (index !== start && ex >= Math.abs(ey) && ex > 0) expect(ex * ex + ey * ey).toBeGreaterThanOrEqual(dx * dx + dy * dy - 1e-9);
    });
  }
  const alone = new Bins(Float32Array.of(0.5), Float32Array.of(0.5), WORLD);
  expect(alone.towards(0, 1, 0, all)).toBe(-1);
});

test('at every zoom the drawn thumbnails have room, and at the largest one all are drawn', () => {
  const [xs, ys] = [numbers(1200, 5).map((x) => 0.3 + 0.1 * x), numbers(1200, 6).map((y) => 0.3 + 0.1 * y)];
  const shown = new Uint8Array(1200).fill(1);
  shown[7] = 0;
  const { steps, spacing } = scaleOf('map', 1200, [30, 40], 600, 112, 1);
  const least = thinned(xs, ys, shown, steps, spacing);
  expect(least[7]).toBe(Number.POSITIVE_INFINITY);
  let before = 0;
  for (const zoom of steps.slice(0, -1)) {
    const drawn = [...least.keys()].filter((index) => (least[index] as number) <= zoom);
    expect(drawn.length).toBeGreaterThanOrEqual(before);
    before = drawn.length;
    for (const a of drawn) {
      for (const b of drawn) {
        if (a < b) expect(Math.max(Math.abs(xs[a]! - xs[b]!), Math.abs(ys[a]! - ys[b]!))).toBeGreaterThanOrEqual(spacing(zoom));
      }
    }
  }
  expect(before).toBeGreaterThan(10);
  const { most } = scaleOf('map', 1200, [30, 40], 600, 112, 1);
  expect([...least].filter((zoom) => zoom <= most * 1.0001).length).toBe(1199);
});

test('thumbnails fill the cells of a grid, and on a map distances grow faster than they do', () => {
  const grid = scaleOf('grid', 10_000, [87, 116], 800, 112, 1);
  expect(grid.side(1)).toBeLessThan(800 / 87);
  expect(grid.side(2)).toBeCloseTo(2 * grid.side(1));
  const map = scaleOf('map', 10_000, [87, 116], 800, 112, 1);
  expect(map.side(4) / map.side(1)).toBeLessThan(4);
  expect(map.side(map.most)).toBeCloseTo(112);
  expect(map.spacing(4)).toBeLessThan(map.spacing(1));
});

const raster = (width: number, height: number): Raster => ({
  width,
  height,
  pixels: new Uint32Array(width * height),
  part: { left: 0, top: 0, right: width, bottom: height },
});

const thumbnail = (side: number, bytes: Uint8Array): Tile => ({ bytes, at: 0, side, ink: inkOf(bytes, 0, side) });

test('ink is mixed with what is below it, and cut at the edges', () => {
  const paper = raster(3, 3);
  paper.pixels.fill(packed(255, 255, 255));
  const tile = thumbnail(2, Uint8Array.of(0, 255, 128, 0));
  const plain = inkTable(1);
  drawInk(paper, tile, 0, 0, 2, packed(200, 0, 0), plain);
  expect(paper.pixels[0]).toBe(packed(255, 255, 255));
  expect(paper.pixels[1]).toBe(packed(200, 0, 0));
  const mixed = paper.pixels[3] as number;
  expect([mixed & 255, (mixed >> 8) & 255, mixed >>> 24]).toEqual([227, 127, 255]);
  const cut = raster(2, 2);
  drawInk(cut, thumbnail(2, Uint8Array.of(1, 2, 3, 255)), -1, -1, 2, packed(9, 9, 9), plain);
  expect([...cut.pixels]).toEqual([packed(9, 9, 9), 0, 0, 0]);
  drawInk(cut, tile, 5, 5, 2, packed(1, 1, 1), plain); // outside: nothing, and no error
});

test.each([3, 7, 8, 12, 28, 40])('ink in %i pixels is drawn as if all pixels of the thumbnail were looked at', (side) => {
  const from = 12;
  const bytes = new Uint8Array(from * from);
  for (let row = 3; row < 9; row++) bytes.fill(40 * (row - 3) + 20, row * from + 2, row * from + 7);
  expect(inkOf(bytes, 0, from)).toEqual({ left: 2, top: 3, right: 7, bottom: 9 });
  const [boxed, all] = [raster(50, 50), raster(50, 50)];
  for (const paper of [boxed, all]) paper.pixels.fill(packed(250, 240, 230));
  drawInk(boxed, thumbnail(from, bytes), 4, 5, side, packed(10, 20, 200), inkTable(0.6));
  drawInk(all, { bytes, at: 0, side: from, ink: { left: 0, top: 0, right: from, bottom: from } }, 4, 5, side, packed(10, 20, 200), inkTable(0.6));
  expect(boxed.pixels).toEqual(all.pixels);
  expect(new Set(boxed.pixels).size).toBeGreaterThan(1);
});

test('reduced ink is strengthened, and neither paper nor full ink changes', () => {
  const [plain, strong] = [inkTable(2), inkTable(0.3)];
  expect([...plain]).toEqual([...plain.keys()]);
  expect([strong[0], strong[255]]).toEqual([0, 255]);
  expect(strong[64]).toBe(Math.round(255 * (64 / 255) ** 0.55));
});

test('a colour is read with three digits, too, as the minifier writes it', () => {
  expect(parseColour(' #fff')).toEqual([255, 255, 255]);
  expect(parseColour('#1c5f9e')).toEqual([28, 95, 158]);
});

test('colours are copied, enlarged by whole pixels, and framed', () => {
  const words = Uint32Array.of(1, 2, 3, 4);
  const tile = thumbnail(2, new Uint8Array(words.buffer));
  const large = raster(4, 4);
  drawColours(large, words, tile, 0, 0, 4);
  expect([...large.pixels]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  const cut = raster(2, 2);
  drawColours(cut, words, tile, 1, -1, 2);
  expect([...cut.pixels]).toEqual([0, 3, 0, 0]);
  const framed = raster(3, 3);
  drawFrame(framed, 0, 0, 3, 1, 7);
  expect([...framed.pixels]).toEqual([7, 7, 7, 7, 0, 7, 7, 7, 7]);
});

test('a resampled picture has the means of the areas', () => {
  const source = Uint8Array.from({ length: 16 }, (_, index) => index * 10);
  const half = new Uint8Array(4);
  resample(source, 0, 4, half, 0, 2, 1);
  expect([...half]).toEqual([25, 45, 105, 125]); // the mean of 0, 10, 40, 50 and so on
  const three = new Uint8Array(9);
  resample(source, 0, 4, three, 0, 3, 1);
  expect(three[0]).toBe(Math.round((0 + 10 / 3 + 40 / 3 + 50 / 9) / (16 / 9))); // 1, 1/3, 1/3, 1/9 of four pixels
  const large = new Uint8Array(16);
  resample(Uint8Array.of(0, 100, 200, 50), 0, 2, large, 0, 4, 1);
  expect([...large]).toEqual([0, 0, 100, 100, 0, 0, 100, 100, 200, 200, 50, 50, 200, 200, 50, 50]);
  const colours = new Uint8Array(4);
  resample(Uint8Array.of(0, 1, 2, 255, 10, 21, 32, 255, 0, 1, 2, 255, 10, 21, 32, 255), 0, 2, colours, 0, 1, 4);
  expect([...colours]).toEqual([5, 11, 17, 255]);
});

test('the pixels of a sheet are put together thumbnail by thumbnail', () => {
  const rgba = Uint8ClampedArray.from({ length: 4 * 2 * 4 }, (_, index) => (index % 4 === 0 ? index / 4 : 9));
  expect([...byTile(rgba, 4, 2, 2, 1)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
  expect([...byTile(rgba, 4, 2, 2, 4)].slice(0, 8)).toEqual([0, 9, 9, 9, 1, 9, 9, 9]);
});

/** A file of safetensors, written by hand from its specification. */
function safetensors(tensors: Record<string, { dtype: string; shape: number[]; bytes: Uint8Array }>): ArrayBuffer {
  let at = 0;
  const header: Record<string, object> = { __metadata__: { made: 'by a test' } };
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  let to = 8 + text.length;
  for (const { bytes } of Object.values(tensors)) {
    out.set(bytes, to);
    to += bytes.length;
  }
  return out.buffer;
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const integers = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);

test('a file of places becomes inputs, y downwards, aligned or not', () => {
  const file = safetensors({
    odd: { dtype: 'U8', shape: [1], bytes: Uint8Array.of(5) },
    'layouts.pca': { dtype: 'F32', shape: [2, 2], bytes: floats(0, 0.25, 1, 1) },
    cells: { dtype: 'I32', shape: [2, 2], bytes: integers(1, 0, 0, 2) },
    images: { dtype: 'I32', shape: [2], bytes: integers(4, 9) },
    labels: { dtype: 'I32', shape: [2], bytes: integers(0, 1) },
    predictions: { dtype: 'I32', shape: [0], bytes: integers() },
    probabilities: { dtype: 'F32', shape: [0], bytes: floats() },
  });
  expect(readSafetensors(file).get('odd')?.values).toEqual(Uint8Array.of(5));
  const found = inputsOf(file, [2, 3]);
  expect([...found.layouts.pca!.xs]).toEqual([0, Math.fround(WORLD.width)]);
  expect([...found.layouts.pca!.ys]).toEqual([0.75, 0]);
  expect([...found.grid.xs].map((x) => x / WORLD.width)).toEqual([expect.closeTo(1 / 6), expect.closeTo(5 / 6)]);
  expect([...found.grid.ys]).toEqual([0.75, 0.25]);
  expect([...found.images]).toEqual([4, 9]);
  expect(found.predictions).toBeNull();
});

test('a prediction is right if it names the class, and unknown where the network has no such class', () => {
  const inputs = { count: 3, labels: Int32Array.of(0, 1, 2), predictions: Int32Array.of(1, 1, 0) } as unknown as Inputs;
  const embedding = { classes: [{ name: 'a' }, { name: 'b' }, { name: 'dog' }], predicted: ['b', 'a'] } as unknown as Embedding;
  expect(rightOnes(inputs, embedding)).toEqual([true, false, null]);
  expect([...partsOf(Int32Array.of(0, 2, 3, 4), [{ count: 3 }, { count: 2 }])]).toEqual([0, 0, 1, 1]);
});

test('a name stands at the median of what is shown of its class', () => {
  const found = medians(
    Int32Array.of(0, 0, 0, 0, 1),
    Uint8Array.of(1, 1, 1, 0, 1),
    Float32Array.of(1, 9, 2, 100, 5),
    Float32Array.of(3, 1, 2, 100, 6),
    3,
  );
  expect(found).toEqual([{ x: 2, y: 2, count: 3 }, { x: 5, y: 6, count: 1 }, null]);
});

test.each([10, 1000])('%i classes have colours that are all different, on light and dark paper', (count) => {
  for (const dark of [false, true]) {
    const colours = Array.from({ length: Math.min(count, 100) }, (_, index) => classColour(index, count, dark));
    expect(new Set(colours).size).toBe(colours.length);
    for (const colour of colours) expect(colour).toMatch(/^#[0-9a-f]{6}$/);
  }
});
