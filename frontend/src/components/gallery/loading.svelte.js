/** When pictures are loaded: those in sight first, the others once the page is idle, so that all can be printed. */

class Loading {
  /** @type {'lazy' | 'eager'} */
  now = $state('lazy');

  /** Call when the first pictures are shown. */
  soon() {
    const all = () => (this.now = 'eager');
    if ('requestIdleCallback' in window) requestIdleCallback(all, { timeout: 3000 });
    else setTimeout(all, 1000);
  }
}

export const loading = new Loading();
