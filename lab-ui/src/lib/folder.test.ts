import { expect, test } from 'vitest';

import type { World } from './datasets';
import { usable } from './folder';

const names = (paths: string[], world: World): string[] =>
  usable(
    paths.map((path) => ({ path, file: new File(['x'], path.split('/').at(-1) ?? '') })),
    world,
  ).map(({ name }) => name);

test('pictures keep the folder of their class, whatever was dropped', () => {
  expect(names(['pets/cats/1.png', 'pets/dogs/2.JPG'], 'image')).toEqual(['cats/1.png', 'dogs/2.JPG']);
  expect(names(['/cats/1.png', '/dogs/2.png'], 'image')).toEqual(['cats/1.png', 'dogs/2.png']);
  expect(names(['/cats/1.png', '/cats/2.png'], 'image')).toEqual(['cats/1.png', 'cats/2.png']);
  expect(names(['a/pets/cats/1.png', 'a/pets/dogs/deep/2.png'], 'image')).toEqual(['cats/1.png', 'dogs/deep/2.png']);
  expect(names(['1.png'], 'image')).toEqual([]);
});

test('parts stay above the classes', () => {
  const paths = ['pets/train/cats/1.png', 'pets/test/cats/1.png', 'pets/train/dogs/1.png'];
  expect(names(paths, 'image')).toEqual(['train/cats/1.png', 'test/cats/1.png', 'train/dogs/1.png']);
});

test('stray and hidden files and those of other kinds are left out', () => {
  const paths = ['p/cats/1.png', 'p/cats/.2.png', 'p/.git/x/3.png', 'p/readme.png', 'p/dogs/a.wav', 'p/dogs/b.gif'];
  expect(names(paths, 'image')).toEqual(['cats/1.png', 'dogs/b.gif']);
  expect(names(paths, 'sound')).toEqual(['dogs/a.wav']);
});

test('texts are one file, files of parts, or folders of classes', () => {
  expect(names(['reviews.csv'], 'text')).toEqual(['reviews.csv']);
  expect(names(['set/train.tsv.gz', 'set/test.tsv.gz'], 'text')).toEqual(['train.tsv.gz', 'test.tsv.gz']);
  expect(names(['set/good/1.txt', 'set/bad/2.txt'], 'text')).toEqual(['good/1.txt', 'bad/2.txt']);
  expect(names(['set/train/good/1.txt', 'set/test/bad/2.txt'], 'text')).toEqual(['train/good/1.txt', 'test/bad/2.txt']);
});

test('game records may lie anywhere', () => {
  expect(names(['a.sgf', 'games/b.SGF', 'games/x.txt'], 'go')).toEqual(['a.sgf', 'games/b.SGF']);
});
