/** Panel kinds to components: one file in `panels/` per kind, found by its name. */

/** @type {Record<string, {default: import('svelte').Component<import('./types.js').PanelProps>}>} */
const files = import.meta.glob('../panels/*.svelte', { eager: true });

export const KINDS = Object.fromEntries(
  Object.entries(files).map(([path, module]) => [
    path.slice(path.lastIndexOf('/') + 1, -'.svelte'.length).toLowerCase(),
    module.default,
  ]),
);
