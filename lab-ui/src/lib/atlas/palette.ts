/** Colours of thumbnails: one for each class, a ramp for the activations of a unit, and two for mistakes. */
import { parseColour } from '../colours';
import { packed } from './raster';

/** Degrees between the hues of two classes that follow each other: the golden angle. */
const GOLDEN_ANGLE = 137.508;
/** Up to so many classes have hues of equal distance. */
const MAX_EVEN_HUES = 12;

/** The colour of a class, as CSS has it: equally light ones, darker or lighter in turns where there are many. */
export function classColour(index: number, count: number, dark: boolean): string {
  const [red, green, blue] = oklch(...classLch(index, count, dark));
  return `#${[red, green, blue].map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

function classLch(index: number, count: number, dark: boolean): [number, number, number] {
  const few = count <= MAX_EVEN_HUES;
  const hue = few ? 25 + (360 * index) / Math.max(count, 1) : 25 + GOLDEN_ANGLE * index;
  const step = few ? index % 2 : (index % 3) / 2;
  return [(dark ? 0.68 : 0.44) + 0.14 * step, dark ? 0.14 : 0.16, hue % 360];
}

/** OKLCH as sRGB; what lies outside is less colourful. */
function oklch(lightness: number, chroma: number, hue: number): [number, number, number] {
  for (let share = 1; share > 0; share -= 0.05) {
    const found = srgb(lightness, chroma * share, hue);
    if (found.every((value) => value >= -0.001 && value <= 1.001)) {
      return found.map((value) => Math.round(255 * Math.min(1, Math.max(0, value)))) as [number, number, number];
    }
  }
  const grey = Math.round(255 * lightness);
  return [grey, grey, grey];
}

/** Source: Ottosson 2020, A perceptual color space for image processing. */
function srgb(lightness: number, chroma: number, hue: number): number[] {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((value) => (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
}

/** `#1c5f9e` as a packed pixel. */
export const pixelOf = (colour: string): number => packed(...parseColour(colour));

/** A pixel between two others. */
export function between(from: number, to: number, share: number): number {
  const part = (shift: number) => Math.round(((from >> shift) & 255) + (((to >> shift) & 255) - ((from >> shift) & 255)) * share);
  return packed(part(0), part(8), part(16));
}
