/** An attention panel as a page of its own: one HTML file that shows its maps as lines, without a server. */

import links from './links.js?raw';
import script from './saved.js?raw';
import { categorical } from '../../charts/colour.js';
import { locale, t } from '../../lib/i18n.svelte.js';
import { download } from '../../lib/save.js';
import { visible } from '../../lib/text.js';

/**
 * @typedef {object} Saved
 * @property {number[]} weights  layers × heads × queries × keys, to four digits
 * @property {number} layers
 * @property {number} heads
 * @property {string[]} queries
 * @property {string[]} keys
 * @property {Record<'light' | 'dark', string[]>} palettes  a colour per head
 */

const escaped = (/** @type {string} */ text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/**
 * @param {Saved} saved
 * @param {{lang: string, title: string, about: string, layers: string, layer: (n: number) => string, head: (n: number) => string}} words
 */
export function pageOf(saved, { lang, title, about, layers, layer, head }) {
  const maps = JSON.stringify(saved).replaceAll('<', '\\u003c'); // no token ends the element that it is in
  const options = Array.from(
    { length: saved.layers },
    (_, n) => `<option value="${n}">${escaped(layer(n + 1))}</option>`,
  );
  const boxes = Array.from(
    { length: saved.heads },
    (_, n) => `<label><input type="checkbox" checked> ${escaped(head(n + 1))}</label>`,
  );
  return `<!doctype html>
<html lang="${lang}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; font: 14px system-ui, sans-serif }
  body { max-width: 900px; margin: 16px auto; padding: 0 12px; background: light-dark(#fff, #171c23) }
  h1 { font-size: 18px }
  p { color: light-dark(#5c6773, #9aa4b0) }
  form { display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 12px 0 }
  canvas { display: block; width: 100% }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(about)}</p>
<form><select aria-label="${escaped(layers)}">${options.join('')}</select>${boxes.join('')}</form>
<canvas role="img" aria-label="${escaped(title)}"></canvas>
<script type="application/json" id="maps">${maps}</script>
<script type="module">
${links}
${script.replace(/^import .*\n/m, '')}
</script>
</html>
`;
}

/**
 * Save what the panel shows at this step.
 * @param {import('../../lib/types.js').PanelFrame<'attention'>} frame
 * @param {import('../../lib/types.js').PanelSpec} panel
 * @param {import('../../lib/run.svelte.js').RunView} run
 */
export function savePage(frame, panel, run) {
  const [layers, heads] = frame.tensors.weights.shape;
  const names = (/** @type {string[]} */ tokens) => tokens.map((token) => visible(run.word(token)));
  const colours = (/** @type {'light' | 'dark'} */ theme) =>
    Array.from({ length: heads }, (_, head) => categorical(head, theme));
  const weights = /** @type {Float32Array} */ (frame.tensors.weights.data);
  const saved = {
    weights: Array.from(weights, (weight) => Math.round(weight * 1e4) / 1e4),
    ...{ layers, heads, queries: names(frame.meta.queries), keys: names(frame.meta.keys) },
    palettes: { light: colours('light'), dark: colours('dark') },
  };
  const about = { title: panel.title, experiment: run.experiment.title, step: frame.step };
  const html = pageOf(saved, {
    ...{
      lang: locale.language,
      title: panel.title,
      layers: t('attention.layers'),
      about: t('attention.saved', about),
    },
    layer: (n) => t('attention.layer', { n }),
    head: (n) => t('attention.head', { n }),
  });
  const name = `${run.experiment.id}-${panel.name}-${frame.step}.html`;
  download(new Blob([html], { type: 'text/html' }), name);
}
