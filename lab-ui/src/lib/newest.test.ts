import { expect, test } from 'vitest';

import { Newest } from './newest';

test('only the newest question counts, and none that was dropped', () => {
  const questions = new Newest();
  const first = questions.ask();
  expect(first()).toBe(true);
  const second = questions.ask();
  expect([first(), second()]).toEqual([false, true]);
  questions.drop();
  expect(second()).toBe(false);
});
