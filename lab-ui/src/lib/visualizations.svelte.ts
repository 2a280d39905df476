/** Feature visualizations of units, made one after the other: a list asks for many, and the server makes them in turn. */

export interface Made {
  /** Address of the picture so far; null before the first step. */
  src: string | null;
  fraction: number;
  failed: boolean;
}

const AGAIN = 200;

export class Visualizations {
  private readonly made = $state<Record<string, Made>>({});
  private waiting: string[] = [];
  private busy = false;
  private gone = false;

  /** The picture of an address, as far as it is made. */
  of(url: string): Made | undefined {
    return this.made[url];
  }

  /** Have a picture made, after those that were asked for earlier; the returned function gives that up. */
  want(url: string): () => void {
    if (this.made[url]?.fraction === 1 || this.made[url]?.failed) return () => undefined;
    this.waiting = [...this.waiting.filter((other) => other !== url), url];
    void this.work();
    return () => {
      this.waiting = this.waiting.filter((other) => other !== url);
    };
  }

  close(): void {
    this.gone = true;
    for (const { src } of Object.values(this.made)) if (src) URL.revokeObjectURL(src);
  }

  private async work(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let url = this.waiting[0]; url !== undefined && !this.gone; url = this.waiting[0]) {
        const done = await this.ask(url);
        if (done) this.waiting = this.waiting.filter((other) => other !== url);
        else await new Promise((later) => window.setTimeout(later, AGAIN));
      }
    } finally {
      this.busy = false;
    }
  }

  /** Take the picture so far; true when there is nothing more to come. */
  private async ask(url: string): Promise<boolean> {
    const before = this.made[url];
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(response.statusText);
      const fraction = Number(response.headers.get('X-Fraction') ?? 1);
      const src = response.status === 200 ? URL.createObjectURL(await response.blob()) : (before?.src ?? null);
      if (before?.src && before.src !== src) URL.revokeObjectURL(before.src);
      this.made[url] = { src, fraction, failed: false };
      return fraction >= 1;
    } catch {
      this.made[url] = { src: before?.src ?? null, fraction: before?.fraction ?? 0, failed: true };
      return true;
    }
  }
}
