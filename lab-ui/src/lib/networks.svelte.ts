/** The networks of the server, asked for once and again after a training. */
import { get, type NetworkSummary } from './api';

class Networks {
  list = $state<NetworkSummary[]>([]);
  private asked: Promise<void> | null = null;

  /** Ask for the list, unless it is there. */
  load(again = false): Promise<void> {
    if (again) this.asked = null;
    this.asked ??= this.ask();
    return this.asked;
  }

  private async ask(): Promise<void> {
    try {
      this.list = await get('/networks');
    } catch {
      this.asked = null;
    }
  }
}

export const networks = new Networks();
