import { expect, test } from 'vitest';

import { clauses, inserted, moved, parseClause, removed, replaced } from './chain';

const TEXT = 'c1 = conv 6 5x5, relu  # first, with a comma\nmaxpool 2\ndense 10';

test('clauses stand between commas and on lines; comments are none', () => {
  expect(clauses(TEXT).map(({ start, end }) => TEXT.slice(start, end))).toEqual([
    'c1 = conv 6 5x5',
    'relu',
    'maxpool 2',
    'dense 10',
  ]);
  expect(clauses(' , \n# nothing')).toEqual([]);
});

test('a clause has a name, a kind and options', () => {
  expect(parseClause('c1 = conv 6 5x5 padding=same')).toEqual({ name: 'c1', kind: 'conv', rest: '6 5x5 padding=same' });
  expect(parseClause('conv 6 5 stride = 2')).toEqual({ name: null, kind: 'conv', rest: '6 5 stride = 2' });
  expect(parseClause('r = add < a b')).toEqual({ name: 'r', kind: 'add', rest: '< a b' });
  expect(parseClause('relu<a')).toEqual({ name: null, kind: 'relu', rest: '<a' });
  expect(parseClause('relu')).toEqual({ name: null, kind: 'relu', rest: '' });
});

test('an edit changes its clause alone', () => {
  expect(replaced(TEXT, 1, 'tanh')).toBe(TEXT.replace('relu', 'tanh'));
  expect(replaced(TEXT, 9, 'tanh')).toBe(TEXT);
  expect(moved('a, b,\nc', 1, 1)).toBe('a, c,\nb');
  expect(moved('a, b', 0, -1)).toBe('a, b');
});

test('what is inserted and removed again leaves the text as it was', () => {
  for (const text of ['conv 8 3', 'conv 8 3, relu', 'conv 8 3\nrelu\ndense 10'])
    for (let index = 0; index <= clauses(text).length; index++) {
      const longer = inserted(text, index, 'tanh');
      expect(clauses(longer)[index]?.kind).toBe('tanh');
      expect(clauses(longer)).toHaveLength(clauses(text).length + 1);
      expect(removed(longer, index)).toBe(text);
    }
  expect(removed('relu', 0)).toBe('');
});
