/** Thumbnails on a picture in memory, pixel by pixel: faster than a canvas draws thousands of them. */

export interface Raster {
  width: number;
  height: number;
  /** Packed pixels, `0xAABBGGRR`. */
  pixels: Uint32Array;
}

/** The least power by which amounts of ink are strengthened. */
const WEAKEST = 0.55;

/** Red, green and blue as an opaque pixel. */
export const packed = (red: number, green: number, blue: number): number =>
  ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

const columnsOf = new Map<number, Int32Array>();

/** For each of `side` pixels the nearest one of `from`. */
function nearest(from: number, side: number): Int32Array {
  const key = from * 4096 + side;
  let found = columnsOf.get(key);
  if (!found) {
    found = Int32Array.from({ length: side }, (_, index) => Math.min(from - 1, Math.floor(((index + 0.5) * from) / side)));
    columnsOf.set(key, found);
  }
  return found;
}

/** Amounts of ink as they are drawn: thin lines that are reduced are drawn stronger, so that they stay visible. */
export function inkTable(reduced: number): Uint8Array {
  const power = Math.min(1, Math.max(WEAKEST, reduced));
  return Uint8Array.from({ length: 256 }, (_, amount) => Math.round(255 * (amount / 255) ** power));
}

/**
 * Draw ink: amounts from 0 to 255 in one colour, over what is there.
 *
 * @param table what is drawn for each amount
 * @param source amounts, row by row, from `at` on
 * @param from side of the thumbnail in the source; another side than `side` takes the nearest pixel of it
 */
export function drawInk(
  raster: Raster,
  source: Uint8Array,
  at: number,
  from: number,
  x: number,
  y: number,
  side: number,
  colour: number,
  table: Uint8Array,
): void {
  const { pixels, width } = raster;
  const left = x < 0 ? -x : 0;
  const right = x + side > width ? width - x : side;
  const bottom = y + side > raster.height ? raster.height - y : side;
  const columns = nearest(from, side);
  const red = colour & 255;
  const green = (colour >> 8) & 255;
  const blue = (colour >> 16) & 255;
  for (let v = y < 0 ? -y : 0; v < bottom; v++) {
    const line = at + (columns[v] as number) * from;
    const to = (y + v) * width + x;
    for (let u = left; u < right; u++) {
      const amount = table[source[line + (columns[u] as number)] as number] as number;
      if (amount < 8) continue;
      if (amount > 247) {
        pixels[to + u] = colour;
        continue;
      }
      const below = pixels[to + u] as number;
      const r = below & 255;
      const g = (below >> 8) & 255;
      const b = (below >> 16) & 255;
      pixels[to + u] =
        0xff00_0000 |
        ((b + (((blue - b) * amount) >> 8)) << 16) |
        ((g + (((green - g) * amount) >> 8)) << 8) |
        (r + (((red - r) * amount) >> 8));
    }
  }
}

/** Draw colours, opaque; the arguments are those of `drawInk`. */
export function drawColours(
  raster: Raster,
  source: Uint32Array,
  at: number,
  from: number,
  x: number,
  y: number,
  side: number,
): void {
  const { pixels, width } = raster;
  const left = x < 0 ? -x : 0;
  const right = x + side > width ? width - x : side;
  const bottom = y + side > raster.height ? raster.height - y : side;
  const columns = nearest(from, side);
  for (let v = y < 0 ? -y : 0; v < bottom; v++) {
    const to = (y + v) * width + x;
    const line = at + (columns[v] as number) * from;
    for (let u = left; u < right; u++) pixels[to + u] = source[line + (columns[u] as number)] as number;
  }
}

/** Fill a rectangle, as far as it lies on the raster. */
export function fill(raster: Raster, x: number, y: number, width: number, height: number, colour: number): void {
  const [left, right] = [Math.max(0, x), Math.min(raster.width, x + width)];
  for (let row = Math.max(0, y); row < Math.min(raster.height, y + height); row++) {
    if (left < right) raster.pixels.fill(colour, row * raster.width + left, row * raster.width + right);
  }
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

const known = new Map<string, Taps>();

/** For each of `to` pixels, the pixels of `from` that it covers and the share of each. */
function tapsOf(from: number, to: number): Taps {
  const name = `${from}/${to}`;
  const found = known.get(name);
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
  known.set(name, taps);
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
