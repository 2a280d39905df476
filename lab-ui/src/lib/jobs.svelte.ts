/** Jobs of the queue: what the server says about them, and following one while it runs. */
import { api, ApiError, send, type LabError } from './api';
import { live, type JobEvent } from './live.svelte';

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

/** One job, kept up to date by its events on the tab's socket for as long as somebody follows it. */
export class FollowedJob {
  job = $state<Job | null>(null);
  log = $state<string[]>([]);
  error = $state<Error | null>(null);

  private end: (() => void) | null = null;
  /** The last event that was heard: what follows is asked for when the page is looked at again. */
  private after = 0;
  private timer = 0;
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
    } catch (raised) {
      this.error = raised as Error;
      const lasting = raised instanceof ApiError && raised.status < 500;
      if (lasting) this.close();
      else this.soon(AGAIN);
    }
  }

  private open(): void {
    void this.ask();
    this.end ??= live.follow({
      id: this.id,
      after: this.after,
      hear: (event) => this.hear(event),
      // What happened meanwhile is replayed; while the server is away, asking says so.
      connection: () => void this.ask(),
    });
  }

  private close(): void {
    this.end?.();
    this.end = null;
    window.clearTimeout(this.timer);
    this.timer = 0;
  }

  private hear(body: JobEvent): void {
    this.after = body.seq ?? this.after;
    if (body.event === 'log') this.log.push(String(body.text));
    else if (body.event === 'progress' && this.job) {
      const { fraction, message, seconds_left } = body as unknown as Pick<Job, 'fraction' | 'message' | 'seconds_left'>;
      Object.assign(this.job, { fraction, message, seconds_left });
    }
    if (body.event !== 'progress' && body.event !== 'log') this.soon(ASK);
  }

  /** Ask for the job in a moment, once for all events until then. */
  private soon(milliseconds: number): void {
    if (this.timer || !this.following || document.hidden) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.ask();
    }, milliseconds);
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
