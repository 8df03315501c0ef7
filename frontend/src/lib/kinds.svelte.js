/** Panel kinds to components: a folder per kind in `panels/`, with the component of that name, loaded when a lab has one. */

import { SvelteMap } from 'svelte/reactivity';

/** @typedef {import('svelte').Component<import('./types.js').PanelProps>} Kind */

const files = /** @type {Record<string, () => Promise<{default: Kind}>>} */ (
  import.meta.glob('../panels/*/*.svelte')
);
const loaders = Object.fromEntries(
  Object.entries(files).flatMap(([path, load]) => {
    const [kind, file] = path.split('/').slice(-2);
    return file.toLowerCase() === `${kind}.svelte` ? [[kind, load]] : [];
  }),
);

/** What has come: a component, or null where it could not be had. @type {SvelteMap<string, Kind | null>} */
const come = new SvelteMap();
/** @type {Set<string>} */
const asked = new Set(); // not reactive: whoever asks need not know that another did

/** Let the components of these kinds come, unless they have. @param {string[]} kinds */
export function load(kinds) {
  for (const kind of kinds) {
    if (asked.has(kind)) continue;
    asked.add(kind);
    (loaders[kind]?.() ?? Promise.reject(new Error(`no panel kind ${kind}`))).then(
      (module) => come.set(kind, module.default),
      () => (come.set(kind, null), asked.delete(kind)), // another lab may try again
    );
  }
}

/** The component of a kind: undefined until it has come, null if it could not. Reactive. @param {string} kind */
export const componentOf = (kind) => come.get(kind);
