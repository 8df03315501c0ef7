/** What shows an entry of what happened, with its texts: it comes with the first entry, or once the first picture is there. */

/** @typedef {typeof import('./Entry.svelte').default} Entry */

class Entries {
  /** Undefined until it has come, null if it could not. Reactive. @type {Entry | null | undefined} */
  shown = $state.raw();
  #asked = false;

  come() {
    if (this.#asked) return;
    this.#asked = true;
    import('./Entry.svelte').then(
      (module) => (this.shown = module.default),
      () => ((this.shown = null), (this.#asked = false)), // asked for again by the next entry
    );
  }
}

export const entries = new Entries();
