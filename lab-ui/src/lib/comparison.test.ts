import { expect, test } from 'vitest';

import type { Layer } from './api';
import { agree, paired } from './comparison.svelte';

const layer = (name: string, shape: number[] = [1]) => ({ name, shape }) as unknown as Layer;
const names = (text: string) => [...text].map((name) => layer(name));
const order = (first: string, second: string) =>
  paired(names(first), names(second)).map(({ name, first: ours, second: theirs }) => (ours && theirs ? name : ours ? `${name}<` : `${name}>`)).join(' ');

test('layers of the same name stand beside each other, the others where they run', () => {
  expect(order('abc', 'abc')).toBe('a b c');
  expect(order('abcd', 'axd')).toBe('a x> b< c< d');
  expect(order('abc', 'xyz')).toBe('x> y> z> a< b< c<');
  expect(order('ab', 'ba')).toBe('a b');
  expect(order('', 'ab')).toBe('a> b>');
  expect(order('ab', '')).toBe('a< b<');
});

test('only maps of one shape are subtracted', () => {
  expect(agree({ name: 'a', first: layer('a', [3, 4]), second: layer('a', [3, 4]) })).toBe(true);
  expect(agree({ name: 'a', first: layer('a', [3, 4]), second: layer('a', [34]) })).toBe(false);
  expect(agree({ name: 'a', first: layer('a'), second: undefined })).toBe(false);
});
