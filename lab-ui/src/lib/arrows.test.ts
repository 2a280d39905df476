import { expect, test } from 'vitest';

import { cellAfter } from './arrows';

test('arrows lead to the cell beside, and not over the edge', () => {
  const from = (key: string) => cellAfter(key, [0, 2], 3, 3);
  expect(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight'].map(from)).toEqual([[0, 2], [1, 2], [0, 1], [0, 2]]);
  expect(from('Enter')).toBeNull();
});
