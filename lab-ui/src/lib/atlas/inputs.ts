/** What the server knows of the inputs of an atlas: places, classes, predictions. */
import { addressOf, fetchChecked, type Schemas } from '../api';
import { readSafetensors } from './safetensors';
import { WORLD } from './scale';
import type { Points } from './view';

/** The document of a job that has embedded inputs. */
export type Embedding = Schemas['Embedding'];

/** All inputs, field by field. */
export interface Inputs {
  count: number;
  /** Index of each in the data. */
  images: Int32Array;
  labels: Int32Array;
  /** Null where the network is no classifier. */
  predictions: Int32Array | null;
  probabilities: Float32Array | null;
  /** The unit that is most above its mean, and its activation. */
  units: Int32Array;
  values: Float32Array;
  tiles: Int32Array;
  layouts: Record<string, Points>;
  grid: Points;
}

const base = (job: string): string => addressOf('/jobs/{id}/embedding', { id: job });

export const sheetUrl = (job: string, side: number, sheet: number): string => `${base(job)}/thumbnails/${side}/${sheet}`;
export const inputUrl = (job: string, image: number, format = 'png'): string => `${base(job)}/inputs/${image}.${format}`;

const bytesOf = async (url: string): Promise<ArrayBuffer> => (await fetchChecked(url)).arrayBuffer();

/** Ask for all inputs of a job. */
export async function loadInputs(job: string, { grid }: Embedding): Promise<Inputs> {
  return inputsOf(await bytesOf(`${base(job)}/points`), grid);
}

/** The activations of a unit, one for each input. */
export async function loadUnit(job: string, unit: number): Promise<Float32Array> {
  return new Float32Array(await bytesOf(`${base(job)}/units/${unit}`));
}

/** The inputs in a file of safetensors; places in the coordinates of the world, y downwards. */
export function inputsOf(file: ArrayBuffer, [rows, columns]: [number, number]): Inputs {
  const found = readSafetensors(file);
  const of = <Kind>(name: string) => found.get(name)?.values as Kind;
  const predictions = of<Int32Array>('predictions');
  const images = of<Int32Array>('images');
  const layouts: Record<string, Points> = {};
  for (const [name, { values }] of found) {
    if (name.startsWith('layouts.')) layouts[name.slice('layouts.'.length)] = placed(values, (x) => x, (y) => 1 - y);
  }
  const cells = of<Int32Array>('cells');
  const [row, column] = [every(cells, 0), every(cells, 1)];
  return {
    count: images.length,
    images,
    labels: of('labels'),
    predictions: predictions.length ? predictions : null,
    probabilities: predictions.length ? of('probabilities') : null,
    units: of('units'),
    values: of('values'),
    tiles: of('tiles'),
    layouts,
    grid: {
      xs: column.map((value) => ((value + 0.5) / columns) * WORLD.width),
      ys: row.map((value) => ((value + 0.5) / rows) * WORLD.height),
    },
  };
}

/** Every second value. */
const every = (values: ArrayLike<number>, from: number): Float32Array =>
  Float32Array.from({ length: values.length / 2 }, (_, index) => values[2 * index + from] as number);

function placed(values: ArrayLike<number>, across: (x: number) => number, down: (y: number) => number): Points {
  return {
    xs: every(values, 0).map((x) => across(x) * WORLD.width),
    ys: every(values, 1).map((y) => down(y) * WORLD.height),
  };
}

/** Whether each prediction names the class of the input; null where the network does not know that class. */
export function rightOnes({ count, labels, predictions }: Inputs, { classes, predicted }: Embedding): (boolean | null)[] {
  const known = new Set(predicted);
  return Array.from({ length: count }, (_, index) => {
    const name = classes[labels[index] as number]?.name ?? '';
    if (!predictions || !known.has(name)) return null;
    return predicted[predictions[index] as number] === name;
  });
}

/** The part of the data that each input is from, by the counts of the parts. */
export function partsOf(images: Int32Array, parts: { count: number }[]): Uint8Array {
  const ends: number[] = [];
  for (const { count } of parts) ends.push((ends.at(-1) ?? 0) + count);
  return Uint8Array.from(images, (image) => Math.max(0, ends.findIndex((end) => image < end)));
}
