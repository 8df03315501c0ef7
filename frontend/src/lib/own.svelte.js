/** Experiments of one's own: which files give none, and when to ask for the experiments again. */

import { getOwn } from './api.js';
import { locale } from './i18n.svelte.js';

/** @typedef {import('../net/server.js').components['schemas']['BrokenFile']} BrokenFile */

const EVERY = 700; // ms between two looks, where files may change

class Own {
  /** Counts the changes. */
  version = $state(0);
  /** @type {BrokenFile[]} */
  broken = $state.raw([]);

  /** Look now, and again and again where files may change; returns how to stop. */
  follow() {
    const { language } = locale;
    let timer = 0;
    let stopped = false;
    const look = async () => {
      let changing = true;
      if (!document.hidden) {
        try {
          const found = await getOwn(language);
          if (stopped) return;
          changing = found.changing;
          if (JSON.stringify(found.broken) !== JSON.stringify(this.broken)) this.broken = found.broken;
          this.version = found.version;
        } catch {
          // The page says elsewhere that the server cannot be reached.
        }
      }
      if (changing && !stopped) timer = window.setTimeout(look, EVERY);
    };
    look();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }
}

export const own = new Own();
