import { beforeEach, expect, test, vi } from 'vitest';

import { live, type Refusal } from './live.svelte';

/** What the page sends is kept; what the server sends is said by the test. */
class Socket {
  static readonly OPEN = 1;
  static last: Socket;
  readyState = Socket.OPEN;
  binaryType = '';
  onopen?: () => void;
  onmessage?: (event: { data: ArrayBuffer | string }) => void;
  sent: (string | ArrayBuffer)[] = [];

  constructor() {
    Socket.last = this;
  }

  send(message: string | ArrayBuffer): void {
    this.sent.push(message);
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
}

const frames: number[] = [];
const errors: Refusal[] = [];
vi.stubGlobal('WebSocket', Socket);
vi.stubGlobal('location', { protocol: 'http:', host: 'here' });
live.on('frame', ({ seq }) => frames.push(seq));
live.on('error', (error) => errors.push(error));
Socket.last.onopen?.();

beforeEach(() => {
  frames.length = errors.length = Socket.last.sent.length = 0;
});

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
