/** Tell a tap from a hold: pressed for a while on the same spot, or a key held down. */

/** Milliseconds after which a press is a hold. */
export const HOLD = 600;
/** Pixels that a finger may move meanwhile. */
const SLACK = 12;
/** The key that holds, on what has the focus. */
export const HOLD_KEY = 'a';

interface Ways {
  tap: () => void;
  hold: () => void;
  release: () => void;
}

/** An action of an element: `use:holdable={{ tap, hold, release }}`. A hold is no tap. */
export function holdable(element: HTMLElement, given: Ways) {
  let ways = given;
  let timer = 0;
  let held = false;
  let swallow = false;
  let begun = { x: 0, y: 0 };

  const begin = () => {
    timer = 0;
    held = true;
    ways.hold();
  };
  const end = () => {
    window.clearTimeout(timer);
    timer = 0;
    if (!held) return;
    held = false;
    ways.release();
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    swallow = false;
    begun = { x: event.clientX, y: event.clientY };
    element.setPointerCapture(event.pointerId);
    timer = window.setTimeout(() => {
      swallow = true;
      begin();
    }, HOLD);
  };
  const move = (event: PointerEvent) => {
    if (timer && Math.hypot(event.clientX - begun.x, event.clientY - begun.y) > SLACK) end();
  };
  const click = (event: MouseEvent) => {
    if (swallow) event.preventDefault();
    else ways.tap();
    swallow = false;
  };
  const press = (event: KeyboardEvent) => {
    if (event.key.toLowerCase() !== HOLD_KEY || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat && !held) begin();
  };
  const letGo = (event: KeyboardEvent) => {
    if (event.key.toLowerCase() === HOLD_KEY) end();
  };
  const menu = (event: Event) => event.preventDefault();

  const listeners: [string, (event: never) => void][] = [
    ['pointerdown', down],
    ['pointermove', move],
    ['pointerup', end],
    ['pointercancel', end],
    ['lostpointercapture', end],
    ['click', click],
    ['keydown', press],
    ['keyup', letGo],
    ['blur', end],
    ['contextmenu', menu],
  ];
  for (const [name, listener] of listeners) element.addEventListener(name, listener as EventListener);
  return {
    update: (next: Ways) => (ways = next),
    destroy: () => {
      end();
      for (const [name, listener] of listeners) element.removeEventListener(name, listener as EventListener);
    },
  };
}
