/** Jobs of the queue: what the server says about them, and following one while it runs. */
import { ApiError, del, get, post, type Schemas } from './api';
import { live, type JobEvent } from './live.svelte';

export type Artifact = Schemas['Artifact'];
export type UploadedFile = Schemas['HandedFile'];
/** A folder that was handed over, with the number of corrections that count; all of them if left out. */
export type UploadedSet = Omit<Schemas['HandedSet'], 'version'> & Partial<Pick<Schemas['HandedSet'], 'version'>>;
export type Handed = UploadedFile | UploadedSet;
export type JobSummary = Schemas['JobSummary'];
export type Job = Schemas['Job'];
export type JobState = Job['state'];

/** Those of what was handed over that are files by themselves. */
export const filesOf = (handed: Handed[] | undefined): UploadedFile[] => (handed ?? []).filter((one) => 'id' in one);

/** The folder among what was handed over; null without one. */
export const setOf = (handed: Handed[] | undefined): UploadedSet | null => (handed ?? []).find((one) => 'set' in one) ?? null;

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
  return (await post('/jobs', { body: { verb, settings, uploads } })).id;
}

export const cancel = (id: string): Promise<unknown> => post('/jobs/{id}/cancel', { path: { id } });
export const remove = (id: string): Promise<unknown> => del('/jobs/{id}', { path: { id } });
export const control = (id: string, action: Control['action'], value: Control['value'] = null): Promise<unknown> =>
  post('/jobs/{id}/control', { path: { id }, body: { action, value } });

export type Control = Schemas['ControlRequest'];

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
      this.job = await get('/jobs/{id}', { path: { id: this.id } });
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
    if (body.event !== 'gone') this.after = body.seq;
    if (body.event === 'log') this.log.push(body.text);
    else if (body.event === 'progress' && this.job) {
      const { fraction, message, seconds_left } = body;
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
