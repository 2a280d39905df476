/** The one WebSocket of a tab: inputs go in, maps and events of jobs come back. */
import type { Schemas } from './api';
import { decodeFrame, encodeInput, type Frame } from './frames';
import type { Game } from './go';

/** An input: values as bytes, an uploaded file, a sentence, a bundled example, or a position of a game. */
export type Input = { pixels: Uint8Array } | { upload: string } | { text: string } | { example: number } | { sample: number } | { game: Game };

/** One event of a job; `gone` where there is no such job. */
export type JobEvent = Schemas['JobEvent'];
export type AttributedWords = Schemas['AttributedWords'];
export type Inspection = Schemas['Inspection'];
export type Refusal = Schemas['Refusal'];

/** Events of one job, or of all, from some number on. */
interface Stream {
  id: string | null;
  /** The last event that was heard; null for those to come. */
  after: number | null;
  hear: (event: JobEvent) => void;
  /** The connection was lost, or is there again. */
  connection: (there: boolean) => void;
}

interface Messages {
  frame: Frame;
  watching: Schemas['Watching'];
  inspected: Inspection;
  word_attributions: AttributedWords;
  error: Refusal;
}

/** A network, and the layers whose maps are sent; null for those that the server chooses. */
export interface WatchedLayers {
  net: string;
  layers: string[] | null;
}

interface Request extends WatchedLayers {
  /** A network that gets the same input, and is compared. */
  compared?: WatchedLayers;
}

type Listener<Kind extends keyof Messages> = (message: Messages[Kind]) => void;

const FIRST_RETRY = 300;
const LAST_RETRY = 5000;
/** After so long without an answer the next input is sent all the same. */
const PATIENCE = 3000;

class LiveConnection {
  connected = $state(false);

  private socket: WebSocket | null = null;
  private retry = FIRST_RETRY;
  private seq = 0;
  /** Number of the first input of the network that is watched: frames of those before it come too late. */
  private firstSeq = 1;
  private waitingSince = 0;
  private queued: Input | null = null;
  private requested: Request | null = null;
  private given: Input | null = null;
  private steered: { address: string; scale: number }[] = [];
  private streams = new Map<number, Stream>();
  private lastStream = 0;
  private readonly listeners: { [Kind in keyof Messages]: Set<Listener<Kind>> } = {
    frame: new Set(),
    watching: new Set(),
    inspected: new Set(),
    word_attributions: new Set(),
    error: new Set(),
  };

  /** Hear of something until the returned function is called; the socket opens with the first listener. */
  on<Kind extends keyof Messages>(kind: Kind, listener: Listener<Kind>): () => void {
    this.listeners[kind].add(listener);
    this.open();
    return () => this.listeners[kind].delete(listener);
  }

  /** Choose the network and its layers; and one that is compared with it: then three frames answer an input. */
  watch(net: string, layers: string[] | null = null, compared: WatchedLayers | null = null): void {
    const request: Request = compared ? { net, layers, compared } : { net, layers };
    const same = this.requested?.net === net;
    if (same && JSON.stringify(this.requested) === JSON.stringify(request)) return;
    this.requested = request;
    if (!same) {
      this.given = this.queued = null;
      this.steered = [];
      this.firstSeq = this.seq + 1;
    }
    this.waitingSince = 0;
    this.tell({ type: 'watch', ...request });
    if (same) this.repeat();
  }

  /** Give an input. While one is on its way, only the newest of those that follow is kept. */
  input(input: Input): void {
    this.given = input;
    if (this.waitingSince && performance.now() - this.waitingSince < PATIENCE) this.queued = input;
    else this.sendInput(input);
  }

  /** Multiply units while the rest of the network runs on; an empty list ends it. */
  steer(units: { address: string; scale: number }[]): void {
    this.steered = units;
    this.tell({ type: 'steer', units });
  }

  /** Ask for the numbers behind one unit at one position of the present input. */
  inspect(address: string): void {
    this.tell({ type: 'inspect', address });
  }

  /** Ask what each word of the present sentence adds to the score of a class; null for the likeliest. */
  attributeWords(target: number | null): void {
    this.tell({ type: 'word_attributions', target });
  }

  /**
   * Hear of the events of a job, or of all (`id` null), after a number; of those to come where that is null.
   * After a lost connection they go on where they were. The returned function ends it.
   */
  follow(stream: Stream): () => void {
    const number = ++this.lastStream;
    this.streams.set(number, stream);
    if (this.socket?.readyState === WebSocket.OPEN) this.tellStream(number, stream);
    else this.open();
    return () => {
      if (this.streams.delete(number)) this.tell({ type: 'unfollow', stream: number });
    };
  }

  private tellStream(number: number, { id, after }: Stream): void {
    this.tell({ type: 'follow', stream: number, id, after });
  }

  private sendInput(input: Input): void {
    this.queued = null;
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.seq += 1;
    this.waitingSince = performance.now();
    if ('pixels' in input) this.socket.send(encodeInput(this.seq, input.pixels));
    else this.tell({ type: 'input', seq: this.seq, ...input });
  }

  /** After a change of what is watched, and after a connection was lost: give what was given last. */
  private repeat(): void {
    if (this.steered.length > 0) this.tell({ type: 'steer', units: this.steered });
    if (this.given) this.sendInput(this.given);
  }

  private tell(message: Schemas['AnyMessage']): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private open(): void {
    if (this.socket) return;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/socket`);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.connected = true;
      this.retry = FIRST_RETRY;
      this.waitingSince = 0;
      if (this.requested) this.tell({ type: 'watch', ...this.requested });
      for (const [number, stream] of this.streams) {
        this.tellStream(number, stream);
        stream.connection(true);
      }
      this.repeat();
    };
    socket.onmessage = ({ data }) => this.hear(data as ArrayBuffer | string);
    socket.onclose = () => {
      this.connected = false;
      this.socket = null;
      this.waitingSince = 0;
      for (const stream of this.streams.values()) stream.connection(false);
      window.setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(2 * this.retry, LAST_RETRY);
    };
    this.socket = socket;
  }

  private hear(data: ArrayBuffer | string): void {
    if (typeof data !== 'string') {
      const frame = decodeFrame(data);
      if (frame.seq >= this.firstSeq) this.heardFrame(frame);
      return;
    }
    const message = JSON.parse(data) as JobEvent | Schemas['LiveAnswer'];
    if (message.type === 'job') {
      const stream = this.streams.get(message.stream);
      if (stream && message.event !== 'gone') stream.after = message.seq;
      stream?.hear(message);
      return;
    }
    if (message.type === 'error' && message.question !== 'inspect') this.answered();
    for (const listener of this.listeners[message.type]) (listener as (heard: typeof message) => void)(message);
  }

  private heardFrame(frame: Frame): void {
    if (frame.part === undefined || frame.part === 'difference') this.answered();
    for (const listener of this.listeners.frame) listener(frame);
  }

  private answered(): void {
    this.waitingSince = 0;
    if (this.queued) this.sendInput(this.queued);
  }
}

export const live = new LiveConnection();
