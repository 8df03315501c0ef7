/** Pictures of real runs for the cards, and short films of them, taken by `make pictures`. */

const STILLS = /** @type {Record<string, string>} */ (
  import.meta.glob('../../cards/*.webp', { eager: true, query: '?url', import: 'default' })
);
const FILMS = /** @type {Record<string, string>} */ (
  import.meta.glob('../../films/*.webp', { eager: true, query: '?url', import: 'default' })
);

/** The address of an experiment's picture. @param {string} id @param {'light' | 'dark'} theme */
export const pictureOf = (id, theme) => STILLS[`../../cards/${id}-${theme}.webp`] ?? '';

/** The address of its film; '' where there is none. @param {string} id @param {'light' | 'dark'} theme */
export const filmOf = (id, theme) => FILMS[`../../films/${id}-${theme}.webp`] ?? '';
