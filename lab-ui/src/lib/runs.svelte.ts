/** The networks of trainings: `run:mine`, or `run:mine@best`, in the lab; in the terminal their folder. */
import { networks } from './networks.svelte';
import { status } from './status.svelte';

const RUN = 'run:';

/** Name in the lab of the network of a training. */
export const networkOf = (run: string): string => `${RUN}${run}`;

/** Name of a training's saved network, whichever of its checkpoints is named; any other name as it is. */
export function savedName(name: string): string {
  const listed = networks.list.some((one) => one.name === name);
  return name.startsWith(RUN) && !listed ? name.replace(/@[^@]*$/, '') : name;
}

/** What a network is called in the terminal, where the lab was started. */
export function reference(name: string): string {
  if (!name.startsWith(RUN)) return name;
  return `${status.answer?.folder ?? 'runs'}/${savedName(name).slice(RUN.length)}`;
}
