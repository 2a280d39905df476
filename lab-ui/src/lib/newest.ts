/** Questions that take a while, and of which only the newest counts. */
export class Newest {
  private count = 0;

  /** Ask anew: what was asked before no longer counts. Returns what says whether this question still does. */
  ask(): () => boolean {
    const mine = ++this.count;
    return () => mine === this.count;
  }

  /** Want no answer to what was asked so far. */
  drop(): void {
    this.count += 1;
  }
}
