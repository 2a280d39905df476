import { expect, test } from 'vitest';

import { FILES, fitting, plainFits, proposed, worldOf, type FittingRecipe, type WorldChoices } from './datasets';

const recipe = (name: string, sets: string[], files: boolean): FittingRecipe => ({
  name, sets, files, title: '', summary: '', source: '', task: 'classification', world: 'image', data: '',
});
const image: WorldChoices = {
  world: 'image',
  sets: ['digits', 'strokes'].map((name) => ({ name, published: false, ready: true, root: '' })),
  recipes: [recipe('lenet5', ['digits', 'strokes'], true), recipe('vae', ['digits'], false), recipe('neocognitron', ['strokes'], false)],
  start: '',
};
const sound: WorldChoices = {
  ...image,
  world: 'sound',
  sets: [{ name: 'chirps', published: false, ready: true, root: '' }],
  recipes: [recipe('a', ['chirps'], true), { ...recipe('square', ['chirps'], true), world: 'sound' }],
  start: 'square',
};

test('recipes are those that learn from the set, or from files', () => {
  expect(fitting(image, 'digits').map(({ name }) => name)).toEqual(['lenet5', 'vae']);
  expect(fitting(image, FILES).map(({ name }) => name)).toEqual(['lenet5']);
  expect(plainFits('image', 'digits') && !plainFits('image', 'strokes') && !plainFits('vector', 'ring')).toBe(true);
});

test('a recipe that still fits stays, another is proposed where one must be', () => {
  expect(proposed(image, 'digits', 'vae')).toBe('vae');
  expect(proposed(image, FILES, 'vae')).toBe('');
  expect(proposed(image, 'digits', '')).toBe('');
  expect(proposed(image, 'strokes', '')).toBe('lenet5');
  expect(proposed(sound, 'chirps', '')).toBe('square');
  expect(proposed(sound, FILES, 'a')).toBe('a');
});

test('the world of a training is that of its recipe, its set, or its files', () => {
  const all = [image, sound];
  expect(worldOf(all, { task: 'go' }, [])).toBe('go');
  expect(worldOf(all, { recipe: 'square' }, ['a/b.png'])).toBe('sound');
  expect(worldOf(all, { data: 'chirps' }, [])).toBe('sound');
  expect(worldOf(all, {}, ['good/1.txt'])).toBe('text');
  expect(worldOf(all, {}, ['cats/1.png'])).toBe('image');
});
