import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { live, type JobEvent } from './live.svelte';

/** A socket whose server is this test. */
class Socket {
  static readonly OPEN = 1;
  static made: Socket[] = [];
  readyState = 0;
  sent: Record<string, unknown>[] = [];
  onopen = () => {};
  onmessage = (_event: { data: string }) => {};
  onclose = () => {};

  constructor() {
    Socket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  open(): void {
    this.readyState = 1;
    this.onopen();
  }

  say(message: object): void {
    this.onmessage({ data: JSON.stringify(message) });
  }

  lose(): void {
    this.readyState = 3;
    this.onclose();
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', Socket);
  vi.stubGlobal('window', { setTimeout });
  vi.stubGlobal('location', { protocol: 'http:', host: 'here' });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('streams of one socket go on where they were after it was lost', () => {
  const heard: JobEvent[][] = [[], []];
  const there: boolean[] = [];
  const follow = (n: number, id: string | null, after: number | null) =>
    live.follow({ id, after, hear: (event) => heard[n]?.push(event), connection: (now) => n === 0 && there.push(now) });
  const ends = [follow(0, 'a', 0), follow(1, null, null)];
  expect(Socket.made).toHaveLength(1);
  const first = Socket.made[0]!;
  first.open();
  expect(first.sent).toEqual([
    { type: 'follow', stream: 1, id: 'a', after: 0 },
    { type: 'follow', stream: 2, id: null, after: null },
  ]);
  first.say({ type: 'job', stream: 1, id: 'a', seq: 7, event: 'log', text: 'x' });
  first.say({ type: 'job', stream: 2, id: 'b', seq: 8, event: 'state' });
  first.say({ type: 'job', stream: 3, id: 'c', seq: 99, event: 'state' });
  expect(heard.map((events) => events.map(({ seq }) => seq))).toEqual([[7], [8]]);
  first.lose();
  vi.advanceTimersByTime(300);
  const second = Socket.made[1]!;
  second.open();
  expect(second.sent).toEqual([
    { type: 'follow', stream: 1, id: 'a', after: 7 },
    { type: 'follow', stream: 2, id: null, after: 8 },
  ]);
  expect(there).toEqual([true, false, true]);
  ends.forEach((end) => end());
  ends[0]?.();
  expect(second.sent.slice(2)).toEqual([
    { type: 'unfollow', stream: 1 },
    { type: 'unfollow', stream: 2 },
  ]);
  second.say({ type: 'job', stream: 1, id: 'a', seq: 9, event: 'log' });
  expect(heard[0]).toHaveLength(1);
});
