/** What the server answers about a network that is given as text. */
import { post, type Schemas } from '../api';

export type GraphError = Schemas['GraphError'];
export type GraphAnswer = Schemas['GraphAnswer'];
export type LayerKind = Schemas['LayerKind'];

/** Check a network: layers with shapes and costs, up to the first error. */
export function check(text: string, input: string): Promise<GraphAnswer> {
  return post('/graph', { body: { text, input } });
}
