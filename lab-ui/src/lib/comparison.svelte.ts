/** A network beside the one that is watched: both get the same input, and their maps are subtracted. */
import { asPart, get, type Layer, type Network } from './api';
import type { Frame } from './frames';
import { View } from './view.svelte';

export class Comparison {
  /** The maps of the compared network, and those of both subtracted: compared minus watched. */
  readonly other: View;
  readonly difference: View;
  probabilities = $state.raw<number[] | null>(null);
  error = $state.raw<Error | null>(null);
  private first: Frame | null = null;

  constructor(private readonly view: View) {
    this.other = new View(view);
    this.difference = new View(view);
  }

  /** The compared network, as soon as it is known and takes the same inputs. */
  readonly network = $derived.by((): Network | null => {
    const [network, other] = [this.view.network, this.other.network];
    return network && other && network.world === other.world ? other : null;
  });

  /** Whether the networks take inputs of different kinds, so that nothing can be compared. */
  readonly differs = $derived.by((): boolean => {
    const [network, other] = [this.view.network, this.other.network];
    return network !== null && other !== null && network.world !== other.world;
  });

  /** Ask what a network is, and compare it; null ends the comparison. Returns what gives the question up. */
  choose(name: string | null): () => void {
    let gone = false;
    [this.other.network, this.other.frame, this.difference.frame] = [null, null, null];
    [this.probabilities, this.error, this.first, this.view.peers] = [null, null, null, []];
    if (name !== null) {
      get('/networks/{net}', { path: { net: asPart(name) } }).then(
        (found) => {
          if (!gone) this.other.network = found;
        },
        (reason: Error) => {
          if (!gone) this.error = reason;
        },
      );
    }
    return () => {
      gone = true;
    };
  }

  /** Take one of the three frames that answer an input; all are drawn when the last one is there. */
  take(frame: Frame): Frame | null {
    if (frame.part === 'first') this.first = frame;
    if (frame.part === 'second') this.other.take(frame);
    if (frame.part !== 'difference' || !this.first || !this.other.frame) return null;
    this.probabilities = this.other.frame.probabilities;
    this.difference.network = this.view.network;
    this.view.peers = [this.other];
    this.other.peers = [this.view];
    this.view.show(this.first);
    this.other.show(this.other.frame);
    this.difference.show(frame);
    return this.first;
  }
}

/** A row of a comparison: a layer of one network, of the other, or of both under the same name. */
export interface LayerPair {
  name: string;
  first: Layer | undefined;
  second: Layer | undefined;
}

/** The layers of two networks in one order: those of the same name beside each other. */
export function paired(first: readonly Layer[], second: readonly Layer[]): LayerPair[] {
  const [ours, theirs] = [first, second].map((layers) => new Map(layers.map((layer) => [layer.name, layer]))) as [
    Map<string, Layer>,
    Map<string, Layer>,
  ];
  const names: string[] = [];
  const seen = new Set<string>();
  const add = (name: string) => {
    if (!seen.has(name)) names.push(name);
    seen.add(name);
  };
  let at = 0;
  for (const { name } of second) {
    if (ours.has(name) && !seen.has(name)) {
      // Everything of the first network that comes before this layer.
      for (; at < first.length; at++) {
        const before = (first[at] as Layer).name;
        add(before);
        if (before === name) break;
      }
    }
    add(name);
  }
  for (const { name } of first) add(name);
  return names.map((name) => ({ name, first: ours.get(name), second: theirs.get(name) }));
}

/** Whether the maps of a pair can be subtracted. */
export const agree = ({ first, second }: LayerPair): boolean =>
  first !== undefined && second !== undefined && first.shape.join() === second.shape.join();
