/** Jobs of the queue: what the server says about them, and following one while it runs. */
import { api, ApiError, send, type LabError } from './api';

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

export interface Artifact {
  index: number;
  kind: 'image' | 'page' | 'table' | 'sound' | 'file';
  title: string;
  bytes: number;
  /** Changes with the content. */
  version: number;
}

export interface UploadedFile {
  id: string;
  name: string;
}

/** A folder that was handed over, with the number of corrections that count; all of them if left out. */
export interface UploadedSet {
  set: string;
  name: string;
  version?: string;
}

export type Handed = UploadedFile | UploadedSet;

/** Those of what was handed over that are files by themselves. */
export const filesOf = (handed: Handed[] | undefined): UploadedFile[] => (handed ?? []).filter((one) => 'id' in one);

/** The folder among what was handed over; null without one. */
export const setOf = (handed: Handed[] | undefined): UploadedSet | null => (handed ?? []).find((one) => 'set' in one) ?? null;

export interface JobSummary {
  id: string;
  verb: string;
  settings: Record<string, unknown>;
  uploads: Record<string, Handed[]>;
  state: JobState;
  fraction: number;
  message: string;
  seconds_left: number | null;
  created: number;
  started: number | null;
  ended: number | null;
  error: LabError | null;
  command: string;
  cancelling: boolean;
  artifacts: Artifact[];
}

export interface Job extends JobSummary {
  document: Record<string, unknown> | null;
}

export const hasEnded = (state: JobState): boolean => state !== 'queued' && state !== 'running';

/** Where a file of a job lies; `size` asks for a smaller picture. */
export function artifactUrl(job: string, artifact: Artifact, size?: number): string {
  const query = new URLSearchParams({ v: String(artifact.version) });
  if (size) query.set('size', String(size));
  return `/api/v1/jobs/${job}/artifacts/${artifact.index}?${query}`;
}

/** Put a job into the queue; returns its id. */
export async function begin(
  verb: string,
  settings: Record<string, unknown>,
  uploads: Record<string, Handed[]> = {},
): Promise<string> {
  return (await send<{ id: string }>('POST', '/jobs', { verb, settings, uploads })).id;
}

export const cancel = (id: string): Promise<unknown> => send('POST', `/jobs/${id}/cancel`);
export const remove = (id: string): Promise<unknown> => send('DELETE', `/jobs/${id}`);
export const control = (id: string, action: string, value: unknown = null): Promise<unknown> =>
  send('POST', `/jobs/${id}/control`, { action, value });

/** Milliseconds between two questions for the whole job while events come. */
const ASK = 400;
/** Milliseconds until a job is asked for again after the server did not answer. */
const AGAIN = 3000;
const EVENTS = ['state', 'progress', 'artifact', 'log', 'metric', 'epoch', 'control', 'training'];

/** One job, kept up to date by its events for as long as somebody follows it. */
export class FollowedJob {
  job = $state<Job | null>(null);
  log = $state<string[]>([]);
  error = $state<Error | null>(null);

  private source: EventSource | null = null;
  private timer = 0;
  private ended = false;
  private following = false;

  constructor(readonly id: string) {}

  /** Follow the job while the page is visible; returns what ends it. */
  follow(): () => void {
    const visible = () => (document.hidden ? this.close() : this.open());
    document.addEventListener('visibilitychange', visible);
    this.following = true;
    this.open();
    return () => {
      this.following = false;
      document.removeEventListener('visibilitychange', visible);
      this.close();
    };
  }

  /** Ask for the job now. */
  async ask(): Promise<void> {
    try {
      this.job = await api<Job>(`/jobs/${this.id}`);
      this.error = null;
      if (hasEnded(this.job.state)) this.ended = true;
    } catch (raised) {
      this.error = raised as Error;
      this.close();
      const lasting = raised instanceof ApiError && raised.status < 500;
      if (this.following && !lasting && !document.hidden) this.timer = window.setTimeout(() => this.open(), AGAIN);
    }
  }

  private open(): void {
    window.clearTimeout(this.timer);
    this.timer = 0;
    void this.ask();
    if (this.source) return;
    this.log = [];
    this.source = new EventSource(`/api/v1/jobs/${this.id}/events`);
    for (const kind of EVENTS) this.source.addEventListener(kind, (event) => this.hear(kind, event as MessageEvent<string>));
    // The server ends the stream when the job has ended; the browser would ask again.
    this.source.onerror = () => {
      if (this.ended) this.close();
      else void this.ask();
    };
  }

  private close(): void {
    this.source?.close();
    this.source = null;
    window.clearTimeout(this.timer);
    this.timer = 0;
  }

  private hear(kind: string, event: MessageEvent<string>): void {
    const body = JSON.parse(event.data) as Record<string, unknown>;
    if (kind === 'log') this.log.push(String(body.text));
    else if (kind === 'progress' && this.job) {
      const { fraction, message, seconds_left } = body as Pick<Job, 'fraction' | 'message' | 'seconds_left'>;
      Object.assign(this.job, { fraction, message, seconds_left });
    }
    if (kind !== 'progress' && kind !== 'log') this.soon();
  }

  /** Ask for the job in a moment, once for all events until then. */
  private soon(): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.ask();
    }, ASK);
  }
}

/** The job of an id, followed while the component lives that calls this; it has neither job nor error without one. */
export function follow(id: () => string | null): Pick<FollowedJob, 'job' | 'error' | 'log'> {
  let followed = $state<FollowedJob | null>(null);
  $effect(() => {
    const wanted = id();
    const found = wanted ? new FollowedJob(wanted) : null;
    followed = found;
    return found?.follow();
  });
  return {
    get job() {
      return followed?.job ?? null;
    },
    get error() {
      return followed?.error ?? null;
    },
    get log() {
      return followed?.log ?? [];
    },
  };
}
