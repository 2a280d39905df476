/** The layers of a list of which all maps are drawn, rather than the first few. */
export class OpenedLayers {
  private names = $state.raw<ReadonlySet<string>>(new Set());

  has(name: string): boolean {
    return this.names.has(name);
  }

  set(name: string, all: boolean): void {
    const next = new Set(this.names);
    if (all) next.add(name);
    else next.delete(name);
    this.names = next;
  }
}
