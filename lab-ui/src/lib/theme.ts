/** The colours that the system asks for; whoever draws on a canvas draws again when they change. */
import { MediaQuery } from 'svelte/reactivity';

export const dark = new MediaQuery('(prefers-color-scheme: dark)');
