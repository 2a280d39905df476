/** From values to colours: diverging (negative blue, positive orange) or ink (absolute value, as on paper). */
import type { Maps } from './frames';

export type Palette = 'diverging' | 'ink';
/** What full colour stands for: the largest value of each map, of its layer, or of all layers. */
export type Scale = 'map' | 'layer' | 'network';

type Colour = [number, number, number];

/** The colours that the theme has now, as 513 packed pixels from -1 to 1. */
export class ColourMap {
  readonly pixels = new Uint32Array(513);

  constructor(negative: Colour, zero: Colour, positive: Colour) {
    for (let index = 0; index < 513; index++) {
      const t = (index - 256) / 256;
      this.pixels[index] = packed(mix(zero, t < 0 ? negative : positive, Math.abs(t)));
    }
  }

  /** Fill `out` with the pixels of one map: its bytes go from `lo` to `hi`, full colour is at `full`. */
  paint(out: Uint32Array, at: number, maps: Maps, unit: number, full: number): void {
    const [, h, w] = maps.shape;
    const [lo, hi] = [maps.lo[unit] ?? 0, maps.hi[unit] ?? 0];
    const table = this.table(lo, hi, full);
    const from = unit * h * w;
    for (let index = 0; index < h * w; index++) out[at + index] = table[maps.values[from + index] as number] as number;
  }

  private readonly scratch = new Uint32Array(256);

  private table(lo: number, hi: number, full: number): Uint32Array {
    const scale = full > 0 ? 256 / full : 0;
    const step = (hi - lo) / 255;
    for (let byte = 0; byte < 256; byte++) {
      const index = 256 + Math.round((lo + byte * step) * scale);
      this.scratch[byte] = this.pixels[index < 0 ? 0 : index > 512 ? 512 : index] as number;
    }
    return this.scratch;
  }
}

/** The colour map of a palette in the theme that an element has now. */
export function colourMapOf(element: Element, palette: Palette): ColourMap {
  const style = getComputedStyle(element);
  const read = (name: string) => parseColour(style.getPropertyValue(name));
  if (palette === 'ink') return new ColourMap(read('--ink'), read('--map-zero'), read('--ink'));
  return new ColourMap(read('--map-negative'), read('--map-zero'), read('--map-positive'));
}

/** The largest absolute value of each map. */
export function maxAbsolutes(maps: Maps): Float32Array {
  return maps.lo.map((lo, unit) => Math.max(Math.abs(lo), Math.abs(maps.hi[unit] ?? 0)));
}

/** `#1c5f9e`, or `#fff` as a minifier writes it, as three numbers. */
export function parseColour(text: string): Colour {
  const given = text.trim().replace('#', '');
  const digits = given.length === 3 ? given.replace(/./g, '$&$&') : given;
  return [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16) || 0) as Colour;
}

function mix(from: Colour, to: Colour, t: number): Colour {
  return from.map((value, index) => Math.round(value + ((to[index] ?? 0) - value) * t)) as Colour;
}

/** A pixel of an ImageData, little-endian. */
const packed = ([red, green, blue]: Colour): number => (255 << 24) | (blue << 16) | (green << 8) | red;
