/** What the colour of a thumbnail says: its class, the prediction, whether that is wrong, or one unit. */
import { between, classColour, pixelOf } from './palette';
import type { Embedding, Inputs } from './inputs';

export const COLOURINGS = ['class', 'prediction', 'mistakes', 'unit'] as const;
export type Colouring = (typeof COLOURINGS)[number];

export interface Theme {
  dark: boolean;
  sheet: string;
  /** Of what does not count, and of what is neither more nor less. */
  faint: string;
  plain: string;
  bad: string;
  negative: string;
  positive: string;
}

/** The value that is there most often. */
export function commonest(values: Int32Array): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}

/** The least and the largest of some values. */
export function extent(values: Float32Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/** The share of the ramp at which a value lies: half of it is zero where values have both signs. */
export function rampShare(value: number, [low, high]: [number, number]): number {
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return low < 0 ? 0.5 + value / (2 * most) : value / most;
}

/** The colour of each input, as packed pixels. */
export function coloursOf(
  colouring: Colouring,
  inputs: Inputs,
  embedding: Embedding,
  right: (boolean | null)[],
  activations: Float32Array | null,
  theme: Theme,
): Uint32Array {
  const out = new Uint32Array(inputs.count);
  if (colouring === 'unit' && activations) {
    const range = extent(activations);
    const [negative, positive] = [pixelOf(theme.negative), pixelOf(theme.positive)];
    const zero = between(pixelOf(theme.faint), pixelOf(theme.plain), 0.4);
    activations.forEach((value, index) => {
      const share = rampShare(value, range);
      const signed = range[0] < 0 ? 2 * share - 1 : share;
      out[index] = between(zero, signed < 0 ? negative : positive, Math.abs(signed));
    });
    return out;
  }
  if (colouring === 'mistakes') {
    const [good, bad] = [between(pixelOf(theme.faint), pixelOf(theme.plain), 0.3), pixelOf(theme.bad)];
    right.forEach((is, index) => (out[index] = is === false ? bad : good));
    return out;
  }
  const colours = paletteOf(embedding, theme.dark);
  for (let index = 0; index < inputs.count; index++) {
    out[index] = colours[nameOf(colouring === 'prediction' ? 'prediction' : 'class', index, inputs, embedding)] ?? pixelOf(theme.plain);
  }
  return out;
}

/** The name of the class or of the prediction of an input. */
export function nameOf(what: 'class' | 'prediction', index: number, inputs: Inputs, embedding: Embedding): string {
  if (what === 'class') return embedding.classes[inputs.labels[index] as number]?.name ?? '';
  return embedding.predicted[inputs.predictions?.[index] ?? -1] ?? '';
}

/** Colours by name: those of the classes of the data first, so that a right prediction has its class's. */
export function paletteOf({ classes, predicted }: Embedding, dark: boolean): Record<string, number> {
  const names = [...new Set([...classes.map(({ name }) => name), ...predicted])];
  const own = classes.length;
  return Object.fromEntries(
    names.map((name, index) => [name, pixelOf(classColour(index, index < own ? own : names.length, dark))]),
  );
}
