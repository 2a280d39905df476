import { beforeAll, expect, test, vi } from 'vitest';

import { Bins } from './bins';
import type { Camera } from './camera';
import { inkOf, packed, type Tile } from './raster';
import { Renderer, type Scene } from './renderer';
import { WORLD } from './scale';
import type { Sheets } from './sheets';

const SIDE = 9;
const COUNT = 400;

/** Numbers that look random and are always the same. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

/** A canvas that keeps the picture that was put on it last. */
class Canvas {
  width = 0;
  height = 0;
  pixels = new Uint32Array(0);
  readonly getContext = () => ({ putImageData: (image: { data: Uint8ClampedArray }) => (this.pixels = new Uint32Array(image.data.slice().buffer)) });
}

/** Sheets that are all there; `asked` counts the thumbnails that were looked for. */
class ReadySheets {
  asked = 0;
  version = 1;
  /** Thumbnails that still have to be resampled. */
  soft = new Set<number>();
  readonly levels = [{ side: SIDE, columns: 10, sheets: 4 }];
  readonly found: Tile = { bytes: new Uint8Array(0), at: 0, side: SIDE, ink: inkOf(new Uint8Array(0), 0, 0) };
  private readonly tiles: Uint8Array[];

  constructor(readonly ink: boolean) {
    const size = SIDE * SIDE * (ink ? 1 : 4);
    this.tiles = Array.from({ length: COUNT }, (_, tile) => Uint8Array.from(numbers(size, tile + 1), (value) => Math.max(0, 400 * value - 150)));
  }

  begin(): void {}
  use(): void {}
  find(tile: number, may: boolean): number {
    this.asked += 1;
    if (may) this.soft.delete(tile);
    const soft = this.soft.has(tile);
    this.found.bytes = (soft ? this.tiles[0] : this.tiles[tile]) as Uint8Array;
    this.found.ink = this.ink ? inkOf(this.found.bytes, 0, SIDE) : { left: 0, top: 0, right: 0, bottom: 0 };
    return soft ? 1 : 2;
  }
}

beforeAll(() => {
  class Image {
    readonly data: Uint8ClampedArray;
    constructor(width: number, height: number) {
      this.data = new Uint8ClampedArray(width * height * 4);
    }
  }
  Object.assign(globalThis, { ImageData: Image });
});

const xs = numbers(COUNT, 3).map((x) => x * WORLD.width);
const ys = numbers(COUNT, 4);
const base: Omit<Scene, 'camera'> = {
  xs,
  ys,
  bins: new Bins(xs, ys, WORLD),
  least: new Float32Array(COUNT),
  zoom: 1,
  tiles: Int32Array.from(xs.keys()),
  colours: Uint32Array.from(numbers(COUNT, 5), (value) => packed(255 * value, 90, 200)),
  side: 17,
  paper: packed(255, 255, 255),
  focus: -1,
  focusSide: 40,
  focusColour: packed(0, 0, 255),
  zooming: false,
};

function begin(ink: boolean): { draw: (camera: Camera, changes?: Partial<Scene>) => Uint32Array; sheets: ReadySheets; renderer: Renderer } {
  const canvas = new Canvas();
  const renderer = new Renderer(canvas as unknown as HTMLCanvasElement);
  const sheets = new ReadySheets(ink);
  renderer.resize(211, 160);
  const draw = (camera: Camera, changes: Partial<Scene> = {}) => {
    renderer.draw({ ...base, camera, ...changes }, sheets as unknown as Sheets, () => undefined);
    return canvas.pixels;
  };
  return { draw, sheets, renderer };
}

/** The pixels in which two pictures differ: faster than a look at each of them by `toEqual`. */
const differing = (a: Uint32Array, b: Uint32Array): number => a.reduce((sum, pixel, index) => sum + (pixel === b[index] ? 0 : 1), 0);

const ways = [[3, 0], [0, -5], [7, 4], [-2.4, 9.7], [-30, -1], [0.3, 0.2], [120, -90], [500, 3], [-4, 300]];

test.each([true, false])('a map that is moved looks as one that is drawn anew (ink: %s)', (ink) => {
  const moved = begin(ink);
  let camera = { x: 0.61, y: 0.47, scale: 300 };
  moved.draw(camera);
  for (const [dx, dy] of ways as [number, number][]) {
    camera = { ...camera, x: camera.x - dx / camera.scale, y: camera.y - dy / camera.scale };
    const anew = begin(ink);
    expect(differing(moved.draw(camera), anew.draw(camera))).toBe(0);
    expect(moved.renderer.drawn).toBe(anew.renderer.drawn);
  }
});

test('moving a map draws the thumbnails that come into view, and no others', () => {
  const { draw, sheets } = begin(true);
  const camera = { x: 0.61, y: 0.47, scale: 300 };
  draw(camera);
  const all = sheets.asked;
  draw({ ...camera, x: camera.x + 4 / camera.scale });
  expect(sheets.asked - all).toBeGreaterThan(0);
  expect(sheets.asked - all).toBeLessThan(all / 3);
  const before = sheets.asked;
  draw({ ...camera, x: camera.x + 4 / camera.scale });
  expect(sheets.asked).toBe(before);
});

test('a map at rest is resampled, and not while it is zoomed', () => {
  const { draw, sheets, renderer } = begin(true);
  const camera = { x: 0.61, y: 0.47, scale: 300 };
  sheets.soft = new Set(base.tiles);
  draw({ ...camera, scale: 299 }, { zooming: true });
  expect(sheets.soft.size).toBe(COUNT);
  const rough = draw(camera);
  let frames = 0;
  while (renderer.draw({ ...base, camera }, sheets as unknown as Sheets, () => undefined)) expect(++frames).toBeLessThan(100);
  const sharp = draw(camera);
  expect(differing(sharp, rough)).toBeGreaterThan(1000);
  expect(differing(sharp, begin(true).draw(camera))).toBe(0);
});

test('where pictures of a zoom take long, the next ones are coarse, and the one at rest is not', () => {
  const { draw } = begin(true);
  const camera = { x: 0.61, y: 0.47, scale: 300 };
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 10)); // 10 ms between two looks
  for (let frame = 0; frame < 4; frame++) draw({ ...camera, scale: 290 + 2 * frame }, { zooming: true });
  const coarse = draw({ ...camera, scale: 298 }, { zooming: true });
  const sharp = draw({ ...camera, scale: 298 });
  clock.mockRestore();
  const squares = (pixels: Uint32Array) => pixels.filter((pixel, at) => at % 2 === 0 && at % 211 < 210 && Math.floor(at / 211) % 2 === 0 && pixel !== pixels[at + 1]);
  expect(squares(coarse).length).toBe(0);
  expect(squares(sharp).length).toBeGreaterThan(1000);
  expect(differing(sharp, begin(true).draw({ ...camera, scale: 298 }))).toBe(0);
  expect(differing(begin(true).draw(camera, { zooming: true }), begin(true).draw(camera))).toBe(0); // a fast one
});

test('what is in focus covers the map only as long as it is', () => {
  const { draw } = begin(true);
  const camera = { x: 0.61, y: 0.47, scale: 300 };
  const plain = draw(camera);
  for (const focus of [...xs.keys()].slice(0, 60)) draw(camera, { focus }); // some of them out of view
  const middle = (base.bins as Bins).nearest(camera.x, camera.y, 1, () => true);
  expect(differing(draw(camera, { focus: middle }), plain)).toBeGreaterThan(40 * 40 / 2);
  expect(differing(draw(camera), plain)).toBe(0);
});

test.each<[string, Partial<Scene>]>([
  ['colours', { colours: new Uint32Array(COUNT).fill(packed(1, 2, 3)) }],
  ['paper', { paper: packed(20, 20, 20) }],
  ['what is shown', { least: Float32Array.from(xs, (_, index) => (index % 2 ? 9 : 0)) }],
  ['sides', { side: 21 }],
])('another look, by %s, is drawn anew', (_, changes) => {
  const { draw } = begin(true);
  const camera = { x: 0.61, y: 0.47, scale: 300 };
  draw(camera);
  expect(differing(draw(camera, changes), begin(true).draw(camera, changes))).toBe(0);
});
