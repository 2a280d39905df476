import { expect, test } from 'vitest';

import type { Field, Layer } from './api';
import { dependencies } from './fields';

interface Window {
  kernel: number;
  stride: number;
  padding: number;
  dilation: number;
}

/** Sizes of a chain's layers, the input first, and for each position which positions of each earlier layer it reads. */
function chain(windows: Window[], extent: number) {
  const extents = [extent];
  const fields: Field[] = [{ size: [1], stride: [1], offset: [0], covers_all: [false] }];
  // reads[i][k]: the positions of layer i - 1 that position k of layer i reads.
  const reads: number[][][] = [[]];
  for (const { kernel, stride, padding, dilation } of windows) {
    const [before, field] = [extents.at(-1) as number, fields.at(-1) as Field];
    const reach = (kernel - 1) * dilation + 1;
    const after = Math.floor((before + 2 * padding - reach) / stride) + 1;
    extents.push(after);
    const [size, step, offset] = [field.size[0] as number, field.stride[0] as number, field.offset[0] as number];
    fields.push({
      size: [size + (reach - 1) * step],
      stride: [step * stride],
      offset: [offset - padding * step],
      covers_all: [false],
    });
    const taps = (k: number) => Array.from({ length: kernel }, (_, tap) => k * stride - padding + tap * dilation);
    reads.push(Array.from({ length: after }, (_, k) => taps(k).filter((at) => at >= 0 && at < before)));
  }
  return { extents, fields, reads };
}

const CHAINS: Window[][] = [
  [
    { kernel: 3, stride: 1, padding: 0, dilation: 1 },
    { kernel: 2, stride: 2, padding: 0, dilation: 1 },
    { kernel: 3, stride: 1, padding: 0, dilation: 1 },
    { kernel: 2, stride: 2, padding: 0, dilation: 1 },
  ],
  [
    { kernel: 7, stride: 2, padding: 3, dilation: 1 },
    { kernel: 3, stride: 2, padding: 1, dilation: 1 },
    { kernel: 3, stride: 1, padding: 1, dilation: 1 },
  ],
];

/** The same chain as layers of the server: one column, `extent` rows. */
function layersOf(windows: Window[], extent: number): Layer[] {
  const { extents, fields } = chain(windows, extent);
  return windows.map(
    (_, index) =>
      ({
        name: `layer${index + 1}`,
        shape: [1, extents[index + 1], 1],
        inputs: [index === 0 ? 'image' : `layer${index}`],
        field: twice(fields[index + 1] as Field),
      }) as Layer,
  );
}

const twice = (field: Field): Field => ({
  size: [field.size[0] as number, 1],
  stride: [field.stride[0] as number, 1],
  offset: [field.offset[0] as number, 0],
  covers_all: [false, false],
});

test.each(CHAINS.map((windows) => [windows]))('boxes are those of a walk back through every window: %j', (windows) => {
  const { extents, reads } = chain(windows, 40);
  const layers = layersOf(windows, 40);
  for (let later = 1; later <= windows.length; later++) {
    for (let position = 0; position < (extents[later] as number); position++) {
      const boxes = dependencies(layers, `layer${later}`, { row: position, column: 0 }, { rows: 40, columns: 1 });
      expect(boxes.size).toBe(later);
      let positions = [position];
      for (let layer = later; layer > 0; layer--) {
        positions = [...new Set(positions.flatMap((k) => reads[layer]?.[k] ?? []))];
        const found = boxes.get(layer === 1 ? 'input' : `layer${layer - 1}`);
        expect(found?.rows).toEqual([Math.min(...positions), Math.max(...positions) + 1]);
      }
    }
  }
});

const field = (size: number, stride: number, offset: number): Field => ({
  size: [size, size],
  stride: [stride, stride],
  offset: [offset, offset],
  covers_all: [false, false],
});

test('where branches meet the hull counts, and what lies beside the path does not', () => {
  const layer = (name: string, inputs: string[], of: Field, side = 26) =>
    ({ name, inputs, field: of, shape: [4, side, side] }) as Layer;
  const layers = [
    layer('small', ['image'], field(3, 1, 0)),
    layer('large', ['image'], field(7, 1, -2)),
    layer('beside', ['small'], field(5, 1, 0)),
    layer('sum', ['small', 'large'], field(7, 1, -2)),
  ];
  const found = dependencies(layers, 'sum', { row: 9, column: 0 }, { rows: 28, columns: 28 });
  expect([...found.keys()].sort()).toEqual(['input', 'large', 'small']);
  expect(found.get('input')).toEqual({ rows: [7, 14], columns: [0, 5] });
});

test('a unit that depends on everything lights whole maps', () => {
  const layers = [
    { name: 'conv', inputs: ['image'], field: field(3, 1, 0), shape: [4, 26, 26] } as unknown as Layer,
    { name: 'dense', inputs: ['conv'], field: field(28, 0, 0), shape: [10] } as unknown as Layer,
  ];
  const found = dependencies(layers, 'dense', { row: 0, column: 0 }, { rows: 28, columns: 28 });
  expect(found.get('conv')).toEqual({ rows: [0, 26], columns: [0, 26] });
  expect(found.get('input')).toEqual({ rows: [0, 28], columns: [0, 28] });
});
