/** Folders that were handed over, as they are corrected: one state for all parts of the page that show one. */
import { api, send } from './api';
import type { UploadedFile, UploadedSet } from './jobs.svelte';

export interface Correction {
  number: number;
  /** The file, as the user named it. */
  name: string;
  action: 'move' | 'remove';
  to: string;
  undone: boolean;
  /** Where it lay in the training that is looked at; null where it was not in its data. */
  file: string | null;
}

export interface AboutSet {
  id: string;
  version: number;
  count: number;
  classes: Record<string, number>;
  corrections: Correction[];
}

/** One folder, with the corrections as a training of some version saw its files. */
export class CorrectedSet {
  about = $state.raw<AboutSet | null>(null);
  error = $state.raw<Error | null>(null);

  constructor(
    readonly id: string,
    readonly version: string | undefined = undefined,
  ) {
    shown.add(this);
    void this.ask(() => api<AboutSet>(this.address()));
  }

  get held(): Correction[] {
    return (this.about?.corrections ?? []).filter(({ undone }) => !undone);
  }

  /** Move a file of the training's data to another class, or remove it (`to` null). */
  correct(file: string, to: string | null): Promise<void> {
    const body = { file, action: to === null ? 'remove' : 'move', to: to ?? '', version: this.version === undefined ? null : Number(this.version) };
    return this.change(() => send<AboutSet>('POST', this.address('/corrections', false), body));
  }

  undo(number: number): Promise<void> {
    return this.change(() => send<AboutSet>('DELETE', this.address(`/corrections/${number}`)));
  }

  /** The page no longer shows it. */
  close(): void {
    shown.delete(this);
  }

  private async change(ask: () => Promise<AboutSet>): Promise<void> {
    await this.ask(ask);
    for (const other of shown) if (other !== this && other.id === this.id) void other.ask(() => api<AboutSet>(other.address()));
  }

  private async ask(ask: () => Promise<AboutSet>): Promise<void> {
    try {
      this.about = await ask();
      this.error = null;
    } catch (raised) {
      this.error = raised as Error;
    }
  }

  private address(below = '', versioned = true): string {
    const query = versioned && this.version !== undefined ? `?version=${this.version}` : '';
    return `/uploaded-sets/${this.id}${below}${query}`;
  }
}

const shown = new Set<CorrectedSet>();

/** Note a folder of uploaded files, which can then be corrected. */
export async function handOver(files: UploadedFile[], name: string): Promise<UploadedSet> {
  const { id } = await send<AboutSet>('POST', '/uploaded-sets', { files });
  return { set: id, name };
}
