/** Pages with chosen panels of a run, for frames in other pages. Pure. */

/** Width and height that a frame is given, in pixels. */
export const SIZE = /** @type {const} */ ([600, 400]);

/**
 * What an address says: `/embed/run/ID?panels=a,b` or `/embed/lab/EXPERIMENT?panels=a,b`; null if it is none.
 * @param {string} path
 * @param {URLSearchParams} query
 * @returns {{run: string, experiment: string, panels: string[], theme: string} | null}
 */
export function readEmbed(path, query) {
  const found = /^\/embed\/(run|lab)\/([^/]+)\/?$/.exec(path);
  if (!found) return null;
  const id = decodeURIComponent(found[2]);
  const panels = (query.get('panels') ?? '').split(',').filter(Boolean);
  const [run, experiment] = found[1] === 'run' ? [id, ''] : ['', id];
  return { run, experiment, panels, theme: query.get('theme') ?? '' };
}

/**
 * @param {{run: string} | {experiment: string}} of
 * @param {string[]} panels  their names
 * @param {string} lang
 */
export function embedAddress(of, panels, lang) {
  const place =
    'run' in of ? `run/${encodeURIComponent(of.run)}` : `lab/${encodeURIComponent(of.experiment)}`;
  return `/embed/${place}?panels=${panels.map(encodeURIComponent).join(',')}&lang=${lang}`;
}

/**
 * A frame in HTML.
 * @param {string} url
 * @param {string} title
 */
export function snippetOf(url, title) {
  const [width, height] = SIZE;
  return `<iframe src="${escaped(url)}" title="${escaped(title)}" width="${width}" height="${height}" style="border:0"></iframe>`;
}

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
