import { expect, test } from 'vitest';

import { match } from './router.svelte';

test('a path fits a pattern with as many parts, and its parts are decoded', () => {
  expect(match('/', '/')).toEqual({});
  expect(match('/m/:net/:layer/:unit', '/m/digits/conv2/7')).toEqual({ net: 'digits', layer: 'conv2', unit: '7' });
  expect(match('/m/:net', '/m/run:%E8%8A%B1')).toEqual({ net: 'run:花' });
  expect(match('/m/:net', '/m/%')).toEqual({ net: '%' });
  expect(match('/m/:net', '/m/digits/conv2')).toBeNull();
  expect(match('/jobs', '/job')).toBeNull();
});
