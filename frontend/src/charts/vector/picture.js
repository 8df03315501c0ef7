/** A panel's picture as SVG: lines, areas and text as such, what is made of pixels as an image in it. */

import { redrawOf } from '../redraws.js';
import { element, escaped } from './elements.js';
import { Recorder } from './recorder.js';

const NAMESPACE = 'http://www.w3.org/2000/svg';

/**
 * What is drawn on the canvases in a panel, on its background.
 * @param {HTMLElement} card
 * @param {string} title
 */
export async function vectorOf(card, title) {
  const body = /** @type {HTMLElement} */ (card.querySelector('.body'));
  const box = body.getBoundingClientRect();
  const layers = [];
  for (const [i, canvas] of body.querySelectorAll('canvas').entries()) {
    const at = canvas.getBoundingClientRect();
    if (!at.width || !at.height) continue;
    const place = { x: at.left - box.left, y: at.top - box.top, width: at.width, height: at.height };
    const context = redrawOf(canvas) && canvas.getContext('2d');
    layers.push(
      context
        ? element(
            'svg',
            { ...place, viewBox: `0 0 ${canvas.width} ${canvas.height}`, preserveAspectRatio: 'none' },
            await new Recorder(context, `d${i}-`).record(/** @type {() => void} */ (redrawOf(canvas))),
          )
        : element('image', { ...place, href: canvas.toDataURL(), preserveAspectRatio: 'none' }),
    );
  }
  layers.push(...namesIn(body, box));
  const { width, height } = box;
  const ground = element('rect', { width, height, fill: getComputedStyle(card).backgroundColor });
  const named = `<title>${escaped(title)}</title>`;
  return element(
    'svg',
    { xmlns: NAMESPACE, width, height, viewBox: `0 0 ${width} ${height}` },
    ['', named, ground, ...layers, ''].join('\n'),
  );
}

/**
 * The words of a chart's legend, which stand beside its canvas.
 * @param {HTMLElement} body
 * @param {DOMRect} box  of the body
 */
function namesIn(body, box) {
  const found = [];
  for (const named of body.querySelectorAll('[data-named]')) {
    const words = document.createTreeWalker(named, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
      const parent = /** @type {HTMLElement} */ (words.currentNode.parentElement);
      const text = words.currentNode.textContent?.trim();
      if (!text || parent.closest('[data-tools], [role=tooltip], .hidden')) continue;
      const range = document.createRange();
      range.selectNodeContents(words.currentNode);
      const at = range.getBoundingClientRect();
      const { color, fontSize, fontFamily } = getComputedStyle(parent);
      const place = { x: at.left - box.left, y: at.top - box.top + 0.78 * at.height };
      const look = { fill: color, 'font-size': fontSize, 'font-family': fontFamily };
      if (at.width) found.push(element('text', { ...place, ...look }, escaped(text)));
    }
  }
  return found;
}
