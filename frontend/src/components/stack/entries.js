/** What shows an entry of what happened, with its texts: it comes with the first entry, or once the first picture is there. */

import { Later } from '../../lib/later.svelte.js';

export const entries = new Later(async () => (await import('./Entry.svelte')).default);
