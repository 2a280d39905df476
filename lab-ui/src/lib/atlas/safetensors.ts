/** Read safetensors: `uint64 length | JSON header | data`, little-endian. */

const TYPES = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

export interface Tensor {
  shape: number[];
  values: Float32Array | Int32Array | Uint8Array;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** The tensors of a file by name; values are views of it where they are aligned, else copies. */
export function readSafetensors(buffer: ArrayBuffer): Map<string, Tensor> {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, Entry>;
  const found = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    const Type = TYPES[entry.dtype as keyof typeof TYPES];
    if (name === '__metadata__' || !Type) continue;
    const [from, to] = entry.data_offsets.map((offset) => 8 + length + offset) as [number, number];
    const count = (to - from) / Type.BYTES_PER_ELEMENT;
    const aligned = from % Type.BYTES_PER_ELEMENT === 0;
    const values = aligned ? new Type(buffer, from, count) : new Type(buffer.slice(from, to));
    found.set(name, { shape: entry.shape, values });
  }
  return found;
}
