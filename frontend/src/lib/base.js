/** The path under which a proxy shows this server, as the server says in the page; '' without one. */

const meta = /** @type {HTMLMetaElement | null | undefined} */ (
  globalThis.document?.querySelector('meta[name=base]')
);
export const base = meta?.content ?? '';

/** What a browser asks for, to open a place of the page or of the server: `/lab/ID`. @param {string} place */
export const at = (place) => base + place;

/** The place that a browser's path names. @param {string} path */
export const placeOf = (path) => (base && path.startsWith(base) ? path.slice(base.length) || '/' : path);
