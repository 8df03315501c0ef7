/** Saving what a panel shows: its picture as PNG or SVG, its numbers as CSV, NPZ or safetensors. */

/** @typedef {import('./types.js').PanelSpec} PanelSpec */
/** @typedef {import('./run.svelte.js').RunView} RunView */

import { ask } from './api.js';

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * Paint an element's canvases, one over the other, where they lie in it.
 * @param {CanvasRenderingContext2D} context
 * @param {Element} element
 */
function paintLayers(context, element) {
  const box = element.getBoundingClientRect();
  for (const layer of element.querySelectorAll('canvas')) {
    const at = layer.getBoundingClientRect();
    if (at.width && at.height)
      context.drawImage(layer, at.left - box.left, at.top - box.top, at.width, at.height);
  }
}

const NAMED = ':has(canvas):not(:has([data-named]))'; // canvases that tell all
const TOOLS = '[data-tools]';

/**
 * Paint what an element shows: its canvases, with its text and boxes where they are needed to read it.
 * @param {CanvasRenderingContext2D} context  scaled so that a unit is a px of the page
 * @param {HTMLElement} element
 */
export async function paint(context, element) {
  if (element.matches(NAMED)) return paintLayers(context, element);
  const { toCanvas } = await import('html-to-image');
  const { width, height } = element.getBoundingClientRect();
  const drawn = await toCanvas(element, {
    ...{ width, height, pixelRatio: context.getTransform().a, skipFonts: true },
    filter: (node) => !(node instanceof Element && node.matches(TOOLS)),
    style: { position: 'static', left: '0', top: '0' }, // it may lie out of sight
  });
  context.drawImage(drawn, 0, 0, width, height);
}

/**
 * The panel's picture, on the panel's background.
 * @param {HTMLElement} card
 */
export async function pictureOf(card) {
  const body = /** @type {HTMLElement} */ (card.querySelector('.body'));
  const box = body.getBoundingClientRect();
  const canvas = document.createElement('canvas');
  const ratio = window.devicePixelRatio || 1;
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.scale(ratio, ratio);
  context.fillStyle = getComputedStyle(card).backgroundColor;
  context.fillRect(0, 0, box.width, box.height);
  await paint(context, body);
  return canvas;
}

/**
 * Save the panel's picture as PNG.
 * @param {HTMLElement} card
 * @param {PanelSpec} panel
 * @param {RunView} run
 */
export async function savePicture(card, panel, run) {
  const name = `${run.experiment.id}-${panel.name}-${run.now}.png`;
  const picture = await pictureOf(card);
  picture.toBlob((blob) => blob && download(blob, name));
}

/**
 * Save the panel's picture as SVG.
 * @param {HTMLElement} card
 * @param {PanelSpec} panel
 * @param {RunView} run
 */
export async function saveVector(card, panel, run) {
  const { vectorOf } = await import('../charts/vector/picture.js');
  const name = `${run.experiment.id}-${panel.name}-${run.now}`;
  const svg = await vectorOf(card, `${panel.title} (${name})`);
  download(new Blob([svg], { type: 'image/svg+xml' }), `${name}.svg`);
}

/**
 * Save the server's response, under the name it gives. Fetched first, so that an error is not saved as a file.
 * @param {string} path  below `/api`
 * @param {string} name  used if it gives none
 * @throws {import('./api.js').ApiError}
 */
export async function saveFile(path, name) {
  const response = await ask(path);
  const named = response.headers.get('Content-Disposition')?.match(/filename="([^"]+)"/)?.[1];
  download(await response.blob(), named ?? name);
}

/**
 * Scalars as CSV, any other panel for NumPy or as the very frame the server sent.
 * @param {PanelSpec} panel
 * @param {RunView} run
 * @param {'csv' | 'npz' | 'safetensors'} format
 * @throws {import('./api.js').ApiError}
 */
export async function saveData(panel, run, format) {
  const path =
    format === 'csv' ? 'scalars?format=csv' : `frames/${panel.name}?step=${run.now}&format=${format}`;
  await saveFile(`/runs/${run.id}/${path}`, `${run.experiment.id}-${panel.name}-${run.now}.${format}`);
}

/**
 * The address of a run's weights, below the run's own.
 * @param {'safetensors' | 'pt' | 'onnx'} format
 * @param {number} [step]  by default the last one recorded
 */
export const weightsOf = (format, step) =>
  `weights?format=${format}${step === undefined ? '' : `&step=${step}`}`;
