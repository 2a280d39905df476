/**
 * Binary frames of maps, as the live worker sends them.
 *
 * `uint32 length | JSON header | padding to 4 bytes`, then for each layer at its `offset` from the beginning of
 * the frame: float32 lo[c], float32 hi[c], uint8 c*h*w; little-endian, each map scaled from its own lo to its hi.
 */

import type { Schemas } from './api';

/** The maps of one layer. */
export interface Maps {
  name: string;
  /** Maps, rows, columns. */
  shape: [number, number, number];
  lo: Float32Array;
  hi: Float32Array;
  values: Uint8Array;
}

export interface Frame {
  seq: number;
  /** What the forward pass took in the worker, where it was one. */
  ms: number | undefined;
  layers: Map<string, Maps>;
  /** Probabilities of the classes; null for a network that is no classifier. */
  probabilities: number[] | null;
  /** Those with scaled units, where any are. */
  steered_probabilities: number[] | null;
  /** How much of a photograph the network sees, where edges are cropped away; else empty. */
  said: string[];
  said_zh: string[];
  /** Which of the three frames it is, where two networks are compared; a difference is second minus first. */
  part?: Part | undefined;
}

export type Part = NonNullable<Schemas['FrameHeader']['part']>;

/** The layer under which a frame has the input, as the network sees it. */
export const INPUT = 'input';

/** Read a frame; the arrays are views of it, nothing is copied. */
export function decodeFrame(buffer: ArrayBuffer): Frame {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length))) as Schemas['FrameHeader'];
  const layers = new Map<string, Maps>();
  for (const { name, shape, offset } of header.layers) {
    const [c, h, w] = shape;
    layers.set(name, {
      name,
      shape,
      lo: new Float32Array(buffer, offset, c),
      hi: new Float32Array(buffer, offset + 4 * c, c),
      values: new Uint8Array(buffer, offset + 8 * c, c * h * w),
    });
  }
  const { seq, ms, probabilities, steered_probabilities = null, part, said = [], said_zh = [] } = header;
  return { seq, ms, layers, probabilities, steered_probabilities, part, said, said_zh };
}

/** The value of one unit at one position, within half a step of 255 between its map's lo and hi. */
export function valueAt(maps: Maps, unit: number, row: number, column: number): number {
  const [, h, w] = maps.shape;
  const [lo, hi] = [maps.lo[unit] ?? 0, maps.hi[unit] ?? 0];
  return lo + ((maps.values[(unit * h + row) * w + column] ?? 0) / 255) * (hi - lo);
}

/** The message of an input: uint32 number, then one byte for each value. */
export function encodeInput(seq: number, pixels: Uint8Array): ArrayBuffer {
  const message = new ArrayBuffer(4 + pixels.length);
  new DataView(message).setUint32(0, seq, true);
  new Uint8Array(message, 4).set(pixels);
  return message;
}
