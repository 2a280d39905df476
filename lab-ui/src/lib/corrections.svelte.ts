/** Folders that were handed over, as they are corrected: one state for all parts of the page that show one. */
import { del, get, post, type Schemas } from './api';
import type { UploadedFile, UploadedSet } from './jobs.svelte';

export type Correction = Schemas['Correction'];
export type AboutSet = Schemas['CorrectedSet'];

/** One folder, with the corrections as a training of some version saw its files. */
export class CorrectedSet {
  about = $state.raw<AboutSet | null>(null);
  error = $state.raw<Error | null>(null);

  constructor(
    readonly id: string,
    readonly version: number | undefined = undefined,
  ) {
    shown.add(this);
    void this.ask(() => this.look());
  }

  get held(): Correction[] {
    return (this.about?.corrections ?? []).filter(({ undone }) => !undone);
  }

  /** Move a file of the training's data to another class, or remove it (`to` null). */
  correct(file: string, to: string | null): Promise<void> {
    const body = { file, action: to === null ? ('remove' as const) : ('move' as const), to: to ?? '', version: this.version ?? null };
    return this.change(() => post('/uploaded-sets/{id}/corrections', { path: { id: this.id }, body }));
  }

  undo(number: number): Promise<void> {
    const query = { version: this.version ?? null };
    return this.change(() => del('/uploaded-sets/{id}/corrections/{number}', { path: { id: this.id, number }, query }));
  }

  /** The page no longer shows it. */
  close(): void {
    shown.delete(this);
  }

  private async change(ask: () => Promise<AboutSet>): Promise<void> {
    await this.ask(ask);
    for (const other of shown) if (other !== this && other.id === this.id) void other.ask(() => other.look());
  }

  private async ask(ask: () => Promise<AboutSet>): Promise<void> {
    try {
      this.about = await ask();
      this.error = null;
    } catch (raised) {
      this.error = raised as Error;
    }
  }

  private look(): Promise<AboutSet> {
    return get('/uploaded-sets/{id}', { path: { id: this.id }, query: { version: this.version ?? null } });
  }
}

const shown = new Set<CorrectedSet>();

/** Note a folder of uploaded files, which can then be corrected. */
export async function handOver(files: UploadedFile[], name: string): Promise<UploadedSet> {
  const { id } = await post('/uploaded-sets', { body: { files } });
  return { set: id, name };
}
