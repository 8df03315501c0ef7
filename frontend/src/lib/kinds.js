/** Panel kinds to components: a folder per kind in `panels/`, with the component of that name, loaded when a lab has one. */

import { Later } from './later.svelte.js';

/** @typedef {import('svelte').Component<import('./types.js').PanelProps>} Kind */

const files = /** @type {Record<string, () => Promise<{default: Kind}>>} */ (
  import.meta.glob('../panels/*/*.svelte')
);
/** @type {Record<string, Later<Kind>>} */
const kinds = Object.fromEntries(
  Object.entries(files).flatMap(([path, load]) => {
    const [kind, file] = path.split('/').slice(-2);
    const component = new Later(async () => (await load()).default);
    return file.toLowerCase() === `${kind}.svelte` ? [[kind, component]] : [];
  }),
);

/** Let the components of these kinds come, unless they have. @param {string[]} wanted */
export const load = (wanted) => wanted.forEach((kind) => kinds[kind]?.come());

/** The component of a kind: undefined until it has come, null if there is none to be had. Reactive. @param {string} kind */
export const componentOf = (kind) => (kind in kinds ? kinds[kind].value : null);
