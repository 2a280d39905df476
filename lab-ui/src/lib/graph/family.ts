/** What a kind of layer is about, for the colour of its block. */
export type Family = 'conv' | 'pool' | 'dense' | 'norm' | 'activation' | 'merge' | 'other';

const FAMILIES: [Family, RegExp][] = [
  ['conv', /conv|local|lstm|embedding|spectrogram|mel|mfcc/],
  ['pool', /pool|subsample|upsample|shortcut/],
  ['dense', /^(dense|linear|rbf|capsules)/],
  ['norm', /norm|lrn|dropout|squash/],
  ['activation', /relu|elu|gelu|silu|sigmoid|tanh|softmax|softplus|swish|maxout/],
  ['merge', /^(add|concat|multiply|mean|stack)/],
];

/** Names of colours of the theme; the other families have none of their own. */
const HUES: Partial<Record<Family, string>> = {
  conv: '--map-positive',
  pool: '--good',
  dense: '--map-negative',
  activation: '--glow',
  merge: '--accent',
};

/** The colour by which a layer's family is known. */
export const hueOf = (kind: string): string => `var(${HUES[familyOf(kind)] ?? '--line-strong'})`;

export function familyOf(kind: string): Family {
  return FAMILIES.find(([, pattern]) => pattern.test(kind.toLowerCase()))?.[0] ?? 'other';
}
