/* The script of a saved page: `page.js` puts it after links.js and the maps, whose names it uses. */
import { FONT, columnsOf, drawLinks, tokenAt } from './links.js';

/** @type {import('./page.js').Saved} */
const saved = JSON.parse(/** @type {HTMLElement} */ (document.getElementById('maps')).textContent ?? '');
const { queries, keys, layers, heads } = saved;
const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('canvas'));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
const choice = /** @type {HTMLSelectElement} */ (document.querySelector('select'));
const boxes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('input')]);
const dark = matchMedia('(prefers-color-scheme: dark)');
const cells = heads * queries.length * keys.length;
/** @type {import('./links.js').Token | null} */
let token = null;

const columns = () => {
  context.font = FONT;
  const room = { width: canvas.clientWidth, height: innerHeight - canvas.offsetTop - 24 };
  return columnsOf({ queries, keys }, room, (text) => context.measureText(text).width);
};

function draw() {
  const [layer, palette] = [Number(choice.value), saved.palettes[dark.matches ? 'dark' : 'light']];
  const shown = boxes.flatMap((box, head) => (box.checked ? [head] : []));
  const weights = saved.weights.slice(layer * cells, (layer + 1) * cells);
  const [text, muted, panel] = dark.matches
    ? ['#e8eaed', '#9aa4b0', '#171c23']
    : ['#1b2430', '#5c6773', '#fff'];
  const place = columns();
  const ratio = devicePixelRatio || 1;
  canvas.style.height = `${place.height}px`;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = place.height * ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  boxes.forEach((box, head) => (box.style.accentColor = palette[head]));
  drawLinks(
    context,
    { weights, queries, keys, heads: shown, palette, colours: { text, muted, panel } },
    place,
    token,
  );
}

/** @param {PointerEvent} event */
canvas.onpointermove = (event) => {
  token = tokenAt(columns(), { queries, keys }, event.offsetX, event.offsetY);
  draw();
};
canvas.onpointerleave = () => {
  token = null;
  draw();
};
choice.value = String(layers - 1);
addEventListener('input', draw);
addEventListener('resize', draw);
dark.addEventListener('change', draw);
draw();
