import { expect, test } from 'vitest';

import { ColourMap } from './colours';
import { decodeFrame, encodeInput, valueAt } from './frames';

/** Two maps of 1x2 and one of 1x1, written byte by byte as the server does. */
function frame(): ArrayBuffer {
  const layers = [
    { name: 'conv1', shape: [2, 1, 2], offset: 0 },
    { name: 'dense1', shape: [1, 1, 1], offset: 0 },
  ];
  const text = () => JSON.stringify({ type: 'maps', seq: 7, ms: 1.5, layers, probabilities: [0.25, 0.75], steered_probabilities: null });
  // Offsets of three digits keep the header's length while they are filled in.
  for (const layer of layers) layer.offset = 100;
  const start = Math.ceil((4 + text().length) / 4) * 4;
  layers[0]!.offset = start;
  layers[1]!.offset = start + 20;
  const view = new DataView(new ArrayBuffer(start + 20 + 12));
  view.setUint32(0, text().length, true);
  for (const [index, letter] of [...text()].entries()) view.setUint8(4 + index, letter.charCodeAt(0));
  for (const [index, value] of [-1, 0, 3, 8].entries()) view.setFloat32(start + 4 * index, value, true);
  for (const [index, byte] of [0, 255, 51, 102].entries()) view.setUint8(start + 16 + index, byte);
  view.setFloat32(start + 20, 2.5, true);
  view.setFloat32(start + 24, 2.5, true);
  return view.buffer;
}

test('a frame is read as the server writes it', () => {
  const { seq, probabilities, steered_probabilities, layers } = decodeFrame(frame());
  expect([seq, probabilities, steered_probabilities]).toEqual([7, [0.25, 0.75], null]);
  const conv = layers.get('conv1')!;
  expect([valueAt(conv, 0, 0, 0), valueAt(conv, 0, 0, 1)]).toEqual([-1, 3]);
  expect(valueAt(conv, 1, 0, 0)).toBeCloseTo(0.2 * 8, 6);
  expect(valueAt(conv, 1, 0, 1)).toBeCloseTo(0.4 * 8, 6);
  expect(valueAt(layers.get('dense1')!, 0, 0, 0)).toBe(2.5);
});

test('an input is its number and its bytes', () => {
  expect([...new Uint8Array(encodeInput(258, Uint8Array.of(9, 8)))]).toEqual([2, 1, 0, 0, 9, 8]);
});

test('colours go from negative over zero to positive, full at the scale', () => {
  const ramp = new ColourMap([0, 0, 255], [0, 0, 0], [255, 0, 0]);
  const maps = decodeFrame(frame()).layers.get('conv1')!;
  const out = new Uint32Array(2);
  const red = (pixel = 0) => pixel & 255;
  const blue = (pixel = 0) => (pixel >> 16) & 255;
  ramp.paint(out, 0, maps, 0, 3);
  expect([red(out[0]), blue(out[0]), red(out[1]), blue(out[1])]).toEqual([0, 85, 255, 0]);
  ramp.paint(out, 0, maps, 0, 30);
  expect([blue(out[0]), red(out[1])]).toEqual([9, 26]);
  ramp.paint(out, 0, maps, 0, 1);
  expect([blue(out[0]), red(out[1])]).toEqual([255, 255]);
});
