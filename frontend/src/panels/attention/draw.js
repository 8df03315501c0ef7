/** Drawing shared by the large attention map and its small multiples: hatching, and names along the axes. */

import { shorten, textWidth, widest } from '../../charts/draw.js';

const SLANT = Math.PI / 4;
const PITCH = 15; // px that a slanted name needs
const ROW = 11.5; // px that a name beside a row needs
const HATCH = 5; // px between the lines of masked cells

/** @typedef {{x: number, y: number, width: number, height: number}} Box */

/** @type {Map<string, HTMLCanvasElement>} */
const tiles = new Map();

/**
 * The background of the maps, which shows through masked cells.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Record<string, string>} colours  of the theme
 */
export function hatch(context, { x, y, width, height }, colours) {
  let tile = tiles.get(colours.muted);
  if (!tile) {
    tile = document.createElement('canvas');
    tile.width = tile.height = HATCH * 2;
    const pen = /** @type {CanvasRenderingContext2D} */ (tile.getContext('2d'));
    pen.scale(2, 2);
    pen.fillStyle = colours.grid;
    pen.fillRect(0, 0, HATCH, HATCH);
    pen.strokeStyle = colours.muted;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 0.8;
    for (const shift of [-HATCH, 0, HATCH]) {
      pen.moveTo(shift - 1, HATCH + 1);
      pen.lineTo(shift + HATCH + 1, -1);
    }
    pen.stroke();
    tiles.set(colours.muted, tile);
  }
  const pattern = /** @type {CanvasPattern} */ (context.createPattern(tile, 'repeat'));
  pattern.setTransform(new DOMMatrix([0.5, 0, 0, 0.5, x, y]));
  context.fillStyle = pattern;
  context.fillRect(x, y, width, height);
}

/**
 * The layout of names below columns: horizontal, or slanted and perhaps thinned.
 * @param {readonly string[]} names
 * @param {number} width  of all columns
 * @param {number} most  px that they may take of the height
 */
export function fitColumns(names, width, most) {
  const pitch = width / names.length;
  const longest = widest(names);
  const slanted = longest > pitch - 4;
  return {
    slanted,
    every: slanted ? Math.ceil(PITCH / pitch) : 1,
    height: slanted ? Math.min(longest * 0.72 + 10, most) : ROW + 3,
  };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly string[]} names
 * @param {Box} box  of the map
 * @param {{width: number, chosen: number, colours: Record<string, string>}} style  `chosen`: index or −1
 */
export function nameRows(context, names, box, { width, chosen, colours }) {
  const pitch = box.height / names.length;
  const every = Math.ceil(ROW / pitch);
  const at = (/** @type {number} */ row) =>
    Math.max(box.y + 5, Math.min(box.y + (row + 0.5) * pitch, box.y + box.height - 5));
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.fillStyle = colours.muted;
  for (let row = 0; row < names.length; row += every) {
    if (Math.abs(row - chosen) < every && chosen >= 0) continue;
    context.fillText(shorten(names[row], width), box.x - 5, at(row));
  }
  if (chosen < 0) return;
  context.fillStyle = colours.text;
  context.fillText(shorten(names[chosen], width), box.x - 5, at(chosen));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {readonly string[]} names
 * @param {Box} box  of the map
 * @param {{fit: ReturnType<typeof fitColumns>, chosen: number, colours: Record<string, string>}} style
 */
export function nameColumns(context, names, box, { fit, chosen, colours }) {
  const pitch = box.width / names.length;
  context.textBaseline = fit.slanted ? 'middle' : 'top';
  context.textAlign = fit.slanted ? 'right' : 'center';
  for (let column = 0; column < names.length; column += 1) {
    const near = chosen >= 0 && Math.abs(column - chosen) < fit.every;
    if (column !== chosen && (near || column % fit.every)) continue;
    context.fillStyle = column === chosen ? colours.text : colours.muted;
    context.save();
    context.translate(box.x + (column + 0.5) * pitch + (fit.slanted ? 3 : 0), box.y + box.height + 5);
    if (fit.slanted) context.rotate(-SLANT);
    const room = fit.slanted ? (fit.height - 8) / 0.72 : pitch;
    context.fillText(textWidth(names[column]) <= room ? names[column] : shorten(names[column], room), 0, 0);
    context.restore();
  }
}
