/** What the header says about the server: reachable, starting, ready and on which device. */
import { get, type Status } from './api';
import { language } from './i18n/index.svelte';

const QUICK = 700;
const SLOW = 10_000;

class ServerStatus {
  /** The last answer, or null before the first one. */
  answer = $state<Status | null>(null);
  reachable = $state(true);

  /** Derived, so that what follows from it happens again when it changes, not with every answer. */
  ready = $derived(this.reachable && this.answer?.torch_ready === true);

  /** Ask now and again: often while the server starts, seldom after. Returns what ends it. */
  follow(): () => void {
    let timer = 0;
    const ask = async () => {
      try {
        this.answer = await get('/status');
        this.reachable = true;
        language.usual(this.answer.lang_default);
      } catch {
        this.reachable = false;
      }
      timer = window.setTimeout(ask, this.ready ? SLOW : QUICK);
    };
    void ask();
    return () => window.clearTimeout(timer);
  }
}

export const status = new ServerStatus();
