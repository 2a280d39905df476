import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { live, type JobEvent, type Refusal } from './live.svelte';

/** What the page sends is kept; what the server sends is said by the test. */
class Socket {
  static readonly OPEN = 1;
  static made: Socket[] = [];
  readyState = 0;
  binaryType = '';
  onopen?: () => void;
  onmessage?: (event: { data: ArrayBuffer | string }) => void;
  onclose?: () => void;
  sent: (string | ArrayBuffer)[] = [];

  constructor() {
    Socket.made.push(this);
  }

  /** The one that is open, or is being opened. */
  static get last(): Socket {
    return Socket.made.at(-1)!;
  }

  send(message: string | ArrayBuffer): void {
    this.sent.push(message);
  }

  open(): void {
    this.readyState = Socket.OPEN;
    this.onopen?.();
  }

  lose(): void {
    this.readyState = 3;
    this.onclose?.();
  }

  /** Answer the input of a number with a frame without layers. */
  frame(seq: number): void {
    const header = JSON.stringify({ seq, ms: 1, layers: [], probabilities: [seq], steered_probabilities: null });
    const buffer = new ArrayBuffer(4 + header.length);
    new DataView(buffer).setUint32(0, header.length, true);
    new Uint8Array(buffer, 4).set(new TextEncoder().encode(header));
    this.onmessage?.({ data: buffer });
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Numbers of the inputs that were sent. */
  get numbers(): number[] {
    return this.sent.filter((message) => message instanceof ArrayBuffer).map((buffer) => new DataView(buffer).getUint32(0, true));
  }

  /** Messages about streams of jobs that were sent. */
  get streams(): unknown[] {
    const texts = this.sent.filter((message) => typeof message === 'string').map((text) => JSON.parse(text) as { type: string });
    return texts.filter(({ type }) => type === 'follow' || type === 'unfollow');
  }
}

const frames: number[] = [];
const errors: Refusal[] = [];
vi.useFakeTimers();
vi.stubGlobal('WebSocket', Socket);
vi.stubGlobal('window', { setTimeout });
vi.stubGlobal('location', { protocol: 'http:', host: 'here' });
live.on('frame', ({ seq }) => frames.push(seq));
live.on('error', (error) => errors.push(error));
Socket.last.open();

beforeEach(() => {
  frames.length = errors.length = Socket.last.sent.length = 0;
});

afterEach(() => vi.advanceTimersByTime(10_000)); // so that an input without an answer is not waited for

const draw = () => live.input({ pixels: Uint8Array.of(1) });

test('frames of the network that was watched before come too late, those of the present one do not', () => {
  live.watch('digits');
  draw();
  const [first = 0] = Socket.last.numbers;
  live.watch('digits', ['conv1']); // only other layers
  Socket.last.frame(first);
  expect(frames).toEqual([first]);
  live.watch('sounds');
  Socket.last.frame(first);
  expect(frames).toEqual([first]);
  draw();
  Socket.last.frame(Socket.last.numbers.at(-1) ?? 0);
  expect(frames).toEqual([first, Socket.last.numbers.at(-1)]);
});

test('an inspection that is refused is no answer to an input: the next input waits', () => {
  live.watch('digits');
  draw();
  draw();
  expect(Socket.last.numbers).toHaveLength(1);
  Socket.last.say({ type: 'error', question: 'inspect', detail: 'softmax:0', expected: 'a sum', received: '', hint: '' });
  expect(errors.map(({ detail }) => detail)).toEqual(['softmax:0']);
  expect(Socket.last.numbers).toHaveLength(1);
  Socket.last.frame(Socket.last.numbers[0] ?? 0);
  expect(Socket.last.numbers).toHaveLength(2);
});

test('streams of one socket go on where they were after it was lost, beside what is watched', () => {
  const heard: JobEvent[][] = [[], []];
  const there: boolean[] = [];
  const follow = (n: number, id: string | null, after: number | null) =>
    live.follow({ id, after, hear: (event) => heard[n]?.push(event), connection: (now) => n === 0 && there.push(now) });
  const ends = [follow(0, 'a', 0), follow(1, null, null)];
  expect(Socket.made).toHaveLength(1);
  const first = Socket.last;
  expect(first.streams).toEqual([
    { type: 'follow', stream: 1, id: 'a', after: 0 },
    { type: 'follow', stream: 2, id: null, after: null },
  ]);
  first.say({ type: 'job', stream: 1, id: 'a', seq: 7, event: 'log', text: 'x' });
  first.say({ type: 'job', stream: 2, id: 'b', seq: 8, event: 'state' });
  first.say({ type: 'job', stream: 3, id: 'c', seq: 99, event: 'state' });
  expect(heard.map((events) => events.map((event) => event.event !== 'gone' && event.seq))).toEqual([[7], [8]]);
  live.watch('digits', ['conv2']);
  draw();
  first.lose();
  vi.advanceTimersByTime(300);
  expect(Socket.made).toHaveLength(2);
  const second = Socket.last;
  const third = live.follow({ id: 'c', after: 4, hear: () => undefined, connection: () => undefined });
  expect(second.sent).toEqual([]); // it is being opened
  second.open();
  expect(second.streams).toEqual([
    { type: 'follow', stream: 1, id: 'a', after: 7 },
    { type: 'follow', stream: 2, id: null, after: 8 },
    { type: 'follow', stream: 3, id: 'c', after: 4 },
  ]);
  expect(JSON.parse(second.sent[0] as string)).toEqual({ type: 'watch', net: 'digits', layers: ['conv2'] });
  expect(second.numbers).toHaveLength(1);
  expect(there).toEqual([false, true]);
  [...ends, third].forEach((end) => end());
  ends[0]?.();
  expect(second.streams.slice(3)).toEqual([
    { type: 'unfollow', stream: 1 },
    { type: 'unfollow', stream: 2 },
    { type: 'unfollow', stream: 3 },
  ]);
  second.say({ type: 'job', stream: 1, id: 'a', seq: 9, event: 'log' });
  expect(heard[0]).toHaveLength(1);
});
