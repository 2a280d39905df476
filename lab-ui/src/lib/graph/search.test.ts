import { expect, test } from 'vitest';

import type { Layer } from '../api';
import { layout } from './layout';
import { difference, matches } from './search';

function layer(name: string, kind: string, shape: number[], options: Record<string, unknown> = {}, inputs = ['input']): Layer {
  return { name, kind, shape, options, inputs, parameters: 0, macs: 0, field: null };
}

const CONV = layer('conv1', 'conv2d', [64, 56, 56], { kernel_size: [5, 5], stride: [1, 1], padding: 'same' });

test('layers are found by option, shape and name', () => {
  for (const query of ['kernel=5x5', 'kernel=5', '56x56', '64x56x56', 'conv', 'kind=conv2d', 'conv stride=1', '5x5', 'padding=same'])
    expect(matches(CONV, query), query).toBe(true);
  for (const query of ['kernel=3x3', '6x56', '28x28', 'relu', 'conv stride=2', 'size=5'])
    expect(matches(CONV, query), query).toBe(false);
});

test('a difference says what was added, is gone, has other options or another shape', () => {
  const before = [CONV, layer('relu1', 'relu', [64, 56, 56]), layer('pool1', 'maxpool2d', [64, 28, 28]), layer('dense1', 'dense', [10])];
  const after = [
    layer('conv1', 'conv2d', [32, 56, 56], { ...CONV.options, stride: [2, 2] }),
    layer('norm1', 'batchnorm2d', [32, 56, 56]),
    layer('relu1', 'relu', [32, 56, 56]),
    layer('dense1', 'dense', [10]),
  ];
  expect(difference(before, after).map(({ change }) => change)).toEqual(['changed', 'added', 'shape', 'gone', 'same']);
  expect(difference(before, before).every(({ change }) => change === 'same')).toBe(true);
});

test('a drawing puts every layer below what it reads, and no two at one place', () => {
  const nodes = [
    { name: 'a', inputs: ['input'] },
    { name: 'b', inputs: ['a'] },
    { name: 'c', inputs: ['a'] },
    { name: 'd', inputs: ['c'] },
    { name: 'sum', inputs: ['b', 'd', 'a'] },
  ];
  const drawn = layout(nodes);
  for (const node of nodes)
    for (const input of node.inputs) expect(drawn.nodes.get(input)!.rank).toBeLessThan(drawn.nodes.get(node.name)!.rank);
  const cells = drawn.edges.flatMap(({ from, to, points }) =>
    points.map(({ rank, lane }, i) => [`${rank}:${lane}`, i === 0 ? from : i === points.length - 1 ? to : `${from}-${to}-${rank}`] as const),
  );
  const owner = new Map<string, string>();
  for (const [cell, name] of cells) {
    expect(owner.get(cell) ?? name).toBe(name);
    owner.set(cell, name);
  }
  expect(drawn.edges).toHaveLength(7);
  expect(drawn.ranks).toBe(5);
});
