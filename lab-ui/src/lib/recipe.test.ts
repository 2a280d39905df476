import { expect, test } from 'vitest';

import { jobInName } from './recipe';

test('the name of a saved picture says which job made it', () => {
  expect(jobInName('convscope-0123456789abcdef-3.png')).toBe('0123456789abcdef');
  expect(jobInName('convscope-0123456789abcdef-3 (1).jpg')).toBe('0123456789abcdef');
  for (const name of ['photo.png', 'convscope-xyz-0.png', 'my-convscope-0123456789abcdef-0.png', 'convscope-0123456789abcdef.png'])
    expect(jobInName(name), name).toBeNull();
});
