/** What the server answers about a network that is given as text. */
import { send, type Layer } from '../api';

export interface GraphError {
  /** Index of the layer that is wrong, where one is. */
  layer: number | null;
  expected: string;
  received: string;
  hint: string;
}

export interface GraphAnswer {
  inputs: Record<string, number[]>;
  outputs: string[];
  layers: Layer[];
  parameters: number;
  macs: number;
  errors: GraphError[];
}

export interface LayerKind {
  kind: string;
  usage: string;
}

/** Check a network: layers with shapes and costs, up to the first error. */
export function check(text: string, input: string): Promise<GraphAnswer> {
  return send<GraphAnswer>('POST', '/graph', { text, input });
}
