/** Panel kinds to components: a folder per kind in `panels/`, with the component of that name. */

/** @type {Record<string, {default: import('svelte').Component<import('./types.js').PanelProps>}>} */
const files = import.meta.glob('../panels/*/*.svelte', { eager: true });

export const KINDS = Object.fromEntries(
  Object.entries(files).flatMap(([path, module]) => {
    const [kind, file] = path.split('/').slice(-2);
    return file.toLowerCase() === `${kind}.svelte` ? [[kind, module.default]] : [];
  }),
);
