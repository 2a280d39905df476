import { afterEach, expect, test, vi } from 'vitest';

import { addressOf, ApiError, fetchChecked, get, post } from './api';

afterEach(() => vi.unstubAllGlobals());

const answering = (status: number, body: unknown) =>
  vi.fn((_address: string, _options?: RequestInit) => Promise.resolve(new Response(JSON.stringify(body), { status })));

test('an address has the parts of its path and its query; what is not given is left out', () => {
  expect(addressOf('/jobs/{id}/control', { id: 'a/b' })).toBe('/api/v1/jobs/a%2Fb/control');
  expect(addressOf('/networks/{net}/layers/{layer}/units', { net: 'timm~x', layer: 'l.0' }, { units: '1,5' })).toBe(
    '/api/v1/networks/timm~x/layers/l.0/units?units=1%2C5',
  );
  expect(addressOf('/jobs', {}, { limit: 3, state: null, other: undefined })).toBe('/api/v1/jobs?limit=3');
});

test('a body is sent as JSON, and the answer read', async () => {
  const fetched = answering(201, { id: '7' });
  vi.stubGlobal('fetch', fetched);
  expect(await post('/jobs', { body: { verb: 'look' } })).toEqual({ id: '7' });
  const [address, options] = fetched.mock.calls[0]!;
  expect(address).toBe('/api/v1/jobs');
  expect(options).toEqual({ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"verb":"look"}' });
});

test('what the server refuses is an error with its words', async () => {
  vi.stubGlobal('fetch', answering(404, { error: { expected: 'a job', received: 'x', hint: 'h' } }));
  const raised = await get('/jobs/{id}', { path: { id: 'x' } }).catch((error: unknown) => error);
  expect(raised).toBeInstanceOf(ApiError);
  expect(raised).toMatchObject({ status: 404, detail: { expected: 'a job', received: 'x', hint: 'h' } });
});

test('a lab that does not answer is an error in words that does not last; a question taken back stays what it is', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
  expect(await get('/status').catch((error: unknown) => error)).toMatchObject({ status: 503, detail: { received: 'none' } });
  vi.stubGlobal('fetch', () => Promise.reject(new DOMException('', 'AbortError')));
  expect(await fetchChecked('/x').catch((error: unknown) => error)).toMatchObject({ name: 'AbortError' });
});
