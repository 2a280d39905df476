import { expect, test } from 'vitest';

import { wordsOf, type Piece } from './words';

const pieces = (texts: string[], gap = ''): Piece[] =>
  texts.map((text, at) => ({ text, first: at, last: at + 1, gap, value: at + 1 }));
const sum = (values: { value: number }[]) => values.reduce((total, { value }) => total + value, 0);

test('letters become words, and the sum of the attributions stays', () => {
  const given = pieces([...'it is, no?']);
  const words = wordsOf(given);
  expect(words.map(({ text }) => text)).toEqual(['it', 'is', ',', 'no', '?']);
  expect(words.map(({ value }) => value)).toEqual([1 + 2, 3 + 4 + 5, 6, 7 + 8 + 9, 10]);
  expect(words[1]).toMatchObject({ first: 2, last: 5 });
  expect(sum(words)).toBe(sum(given));
});

test('characters of Chinese, Japanese and Korean stay whole, also beside letters', () => {
  expect(wordsOf(pieces([...'你有GPU吗'])).map(({ text }) => text)).toEqual(['你', '有', 'GPU', '吗']);
  expect(wordsOf(pieces([...'カメラ'])).map(({ text }) => text)).toEqual(['カ', 'メ', 'ラ']);
});

test('words that the network reads as words stay apart; a last space is not lost', () => {
  const given = pieces(['what', 'is', 'it'], ' ');
  expect(wordsOf(given).map(({ text, value }) => [text, value])).toEqual([['what', 1], ['is', 2], ['it', 3]]);
  expect(wordsOf(pieces([...'a '])).map(({ text, value }) => [text, value])).toEqual([['a', 3]]);
  expect(wordsOf([])).toEqual([]);
});

test('what the vocabulary lacks is said so', () => {
  expect(wordsOf(pieces(['a', '<unknown>', 'b'])).map(({ unknown }) => unknown)).toEqual([false, true, false]);
});
