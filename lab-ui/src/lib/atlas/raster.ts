/** Thumbnails on a picture in memory, pixel by pixel: faster than a canvas draws thousands of them. */

export interface Raster {
  width: number;
  height: number;
  /** Packed pixels, `0xAABBGGRR`. */
  pixels: Uint32Array;
  /** The part that is drawn on. */
  part: Part;
}

/** A rectangle of pixels, without its right column and its bottom row. */
export interface Part {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Where a thumbnail lies among others, and where in it there is ink. */
export interface Tile {
  /** Bytes of a pixel follow each other, and pixels row by row, from `at` on. */
  bytes: Uint8Array;
  at: number;
  side: number;
  /** The part of it outside which there is no ink; of colours all of it. */
  ink: Part;
}

/** Amounts of ink below it are not drawn, and those above it cover what is below them. */
const FAINTEST = 8;
const COVERING = 247;
/** The least power by which amounts of ink are strengthened. */
const WEAKEST = 0.55;

/** Red, green and blue as an opaque pixel. */
export const packed = (red: number, green: number, blue: number): number =>
  ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

interface Mapping {
  /** For each pixel the nearest one of the source. */
  nearest: Int32Array;
  /** For each pixel of the source, and one after them, the first pixel whose nearest one it is or lies behind. */
  first: Int32Array;
}

const mappings = new Map<number, Mapping>();
let latest: Mapping = { nearest: new Int32Array(0), first: new Int32Array(0) };
let latestKey = -1;

/** How `side` pixels are taken from `from` pixels. */
function mapping(from: number, side: number): Mapping {
  const key = from * 4096 + side;
  if (key === latestKey) return latest; // thumbnail after thumbnail
  let found = mappings.get(key);
  if (!found) {
    const nearest = Int32Array.from({ length: side }, (_, index) => Math.min(from - 1, Math.floor(((index + 0.5) * from) / side)));
    const first = new Int32Array(from + 1).fill(side);
    for (let index = side - 1; index >= 0; index--) first.fill(index, 0, (nearest[index] as number) + 1);
    mappings.set(key, (found = { nearest, first }));
  }
  [latest, latestKey] = [found, key];
  return found;
}

/** The part of a thumbnail outside which there is no ink. */
export function inkOf(bytes: Uint8Array, at: number, side: number): Part {
  const part = { left: side, top: side, right: 0, bottom: 0 };
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      if (bytes[at + row * side + column] === 0) continue;
      if (column < part.left) part.left = column;
      if (column >= part.right) part.right = column + 1;
      if (row < part.top) part.top = row;
      part.bottom = row + 1;
    }
  }
  return part;
}

/** Amounts of ink as they are drawn: thin lines that are reduced are drawn stronger, so that they stay visible. */
export function inkTable(reduced: number): Uint8Array {
  const power = Math.min(1, Math.max(WEAKEST, reduced));
  return Uint8Array.from({ length: 256 }, (_, amount) => Math.round(255 * (amount / 255) ** power));
}

/**
 * Draw ink: amounts from 0 to 255 in one colour, over what is there.
 *
 * @param tile the amounts; another side than `side` takes the nearest pixels
 * @param table what is drawn for each amount
 */
export function drawInk(raster: Raster, tile: Tile, x: number, y: number, side: number, colour: number, table: Uint8Array): void {
  const { pixels, width, part } = raster;
  const { bytes, at, side: from, ink } = tile;
  const { nearest, first } = mapping(from, side);
  const left = Math.max(first[ink.left] as number, part.left - x);
  const right = Math.min(first[ink.right] as number, part.right - x);
  const top = Math.max(first[ink.top] as number, part.top - y);
  const bottom = Math.min(first[ink.bottom] as number, part.bottom - y);
  const redBlue = colour & 0xff00ff;
  const green = colour & 0x00ff00;
  for (let v = top; v < bottom; v++) {
    const line = at + (nearest[v] as number) * from;
    const to = (y + v) * width + x;
    for (let u = left; u < right; u++) {
      const amount = table[bytes[line + (nearest[u] as number)] as number] as number;
      if (amount < FAINTEST) continue;
      if (amount > COVERING) {
        pixels[to + u] = colour;
        continue;
      }
      // Red and blue at once: between them there is room for the product of one.
      const below = pixels[to + u] as number;
      const rest = 256 - amount;
      const mixed = (Math.imul(redBlue, amount) + Math.imul(below & 0xff00ff, rest)) >>> 8;
      const mixedGreen = (green * amount + (below & 0x00ff00) * rest) >>> 8;
      pixels[to + u] = 0xff00_0000 | (mixed & 0xff00ff) | (mixedGreen & 0x00ff00);
    }
  }
}

/** Draw colours, opaque, of one word for each pixel; the arguments are those of `drawInk`. */
export function drawColours(raster: Raster, words: Uint32Array, tile: Tile, x: number, y: number, side: number): void {
  const { pixels, width, part } = raster;
  const from = tile.side;
  const { nearest } = mapping(from, side);
  const left = Math.max(0, part.left - x);
  const right = Math.min(side, part.right - x);
  const bottom = Math.min(side, part.bottom - y);
  for (let v = Math.max(0, part.top - y); v < bottom; v++) {
    const to = (y + v) * width + x;
    const line = tile.at / 4 + (nearest[v] as number) * from;
    for (let u = left; u < right; u++) pixels[to + u] = words[line + (nearest[u] as number)] as number;
  }
}

/** Fill a rectangle, as far as it lies in the part that is drawn on. */
export function fill(raster: Raster, x: number, y: number, width: number, height: number, colour: number): void {
  const { part } = raster;
  const [left, right] = [Math.max(part.left, x), Math.min(part.right, x + width)];
  for (let row = Math.max(part.top, y); row < Math.min(part.bottom, y + height); row++) {
    if (left < right) raster.pixels.fill(colour, row * raster.width + left, row * raster.width + right);
  }
}

/** Move all pixels; those that come from outside are left as they are, to be drawn anew. */
export function shift(raster: Raster, dx: number, dy: number): void {
  const by = dy * raster.width + dx;
  if (by > 0) raster.pixels.copyWithin(by, 0, raster.pixels.length - by);
  else raster.pixels.copyWithin(0, -by);
}

/** Fill a picture with one of half its width and height: each pixel becomes a square of four. */
export function enlarge(small: Raster, large: Raster): void {
  const { width, height, pixels } = large;
  for (let row = 0; row < height; row += 2) {
    const from = (row >> 1) * small.width;
    const to = row * width;
    for (let column = 0; column < width; column++) pixels[to + column] = small.pixels[from + (column >> 1)] as number;
    if (row + 1 < height) pixels.copyWithin(to + width, to, to + width);
  }
}

/** The parts of a picture that come from outside when it is shifted. */
export function exposed({ width, height }: { width: number; height: number }, dx: number, dy: number): Part[] {
  const [top, bottom] = [Math.max(0, dy), Math.min(height, height + dy)];
  const parts = [
    dy > 0 ? { left: 0, top: 0, right: width, bottom: dy } : { left: 0, top: bottom, right: width, bottom: height },
    dx > 0 ? { left: 0, top, right: dx, bottom } : { left: width + dx, top, right: width, bottom },
  ];
  return parts.filter((part) => part.left < part.right && part.top < part.bottom);
}

/** Draw a frame of some thickness inside a square. */
export function drawFrame(raster: Raster, x: number, y: number, side: number, thick: number, colour: number): void {
  fill(raster, x, y, side, thick, colour);
  fill(raster, x, y + side - thick, side, thick, colour);
  fill(raster, x, y + thick, thick, side - 2 * thick, colour);
  fill(raster, x + side - thick, y + thick, thick, side - 2 * thick, colour);
}

interface Taps {
  first: Int32Array;
  /** `width` weights for each pixel. */
  weights: Float32Array;
  width: number;
}

const known = new Map<number, Taps>();

/** For each of `to` pixels, the pixels of `from` that it covers and the share of each. */
function tapsOf(from: number, to: number): Taps {
  const key = from * 4096 + to;
  const found = known.get(key);
  if (found) return found;
  const width = Math.ceil(from / to) + 1;
  const taps = { first: new Int32Array(to), weights: new Float32Array(to * width), width };
  for (let index = 0; index < to; index++) {
    const [low, high] = [(index * from) / to, ((index + 1) * from) / to];
    const first = Math.floor(low);
    taps.first[index] = first;
    for (let tap = 0; tap < width; tap++) {
      const covered = Math.min(high, first + tap + 1) - Math.max(low, first + tap);
      taps.weights[index * width + tap] = Math.max(0, covered) / (high - low);
    }
  }
  known.set(key, taps);
  return taps;
}

let scratch = new Float32Array(0);

/**
 * Resample a square picture to another side: each pixel is the mean of the area that it covers, so that pixels of
 * an enlarged picture stay squares.
 *
 * @param channels bytes of a pixel
 */
export function resample(
  source: Uint8Array,
  at: number,
  from: number,
  out: Uint8Array,
  offset: number,
  to: number,
  channels: number,
): void {
  const { first, weights, width } = tapsOf(from, to);
  if (scratch.length < from * to * channels) scratch = new Float32Array(from * to * channels);
  for (let row = 0; row < from; row++) {
    for (let column = 0; column < to; column++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = 0; tap < width; tap++) {
          const weight = weights[column * width + tap] as number;
          if (weight === 0) continue;
          sum += weight * (source[at + (row * from + (first[column] as number) + tap) * channels + channel] as number);
        }
        scratch[(row * to + column) * channels + channel] = sum;
      }
    }
  }
  for (let row = 0; row < to; row++) {
    for (let column = 0; column < to * channels; column++) {
      let sum = 0;
      for (let tap = 0; tap < width; tap++) {
        const weight = weights[row * width + tap] as number;
        if (weight !== 0) sum += weight * (scratch[((first[row] as number) + tap) * to * channels + column] as number);
      }
      out[offset + row * to * channels + column] = Math.round(sum);
    }
  }
}
