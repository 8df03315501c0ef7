/**
 * Attention as lines between two columns of tokens, queries on the left and keys on the right, one colour per
 * head. No imports and no document: a map saved as a page of its own carries this file as it is.
 */

const PITCH = [13, 40]; // px from token to token
const LEAST = 0.02; // a weight below is not drawn: hundreds of faint lines hide the strong ones
const NAMES = 0.34; // of the width, at most, for the tokens of one side
const SWATCH = 9; // px, of a head's weight beside a token
/** What the tokens are written in. */
export const FONT = '12px system-ui, sans-serif';

/**
 * @typedef {object} Links
 * @property {ArrayLike<number>} weights  heads × queries × keys, of one layer
 * @property {string[]} queries
 * @property {string[]} keys
 * @property {number[]} heads  those that are shown
 * @property {string[]} palette  a colour per head
 * @property {Record<string, string>} colours  of the theme: text, muted and panel
 */

/** @typedef {{side: 'query' | 'key', index: number}} Token */

/**
 * Where the columns lie.
 * @param {Pick<Links, 'queries' | 'keys'>} links
 * @param {{width: number, height: number}} room
 * @param {(text: string) => number} measure  px that a text takes in `FONT`
 */
export function columnsOf({ queries, keys }, { width, height }, measure) {
  const most = Math.max(queries.length, keys.length, 1);
  const pitch = Math.max(PITCH[0], Math.min(PITCH[1], (height - 4) / most));
  const wide = (/** @type {string[]} */ names) =>
    Math.min(width * NAMES, Math.max(20, ...names.map((name) => measure(name))) + 8);
  return { left: wide(queries), right: width - wide(keys), pitch, height: most * pitch + 4, width };
}

/** @typedef {ReturnType<typeof columnsOf>} Columns */

/**
 * The token under a point: of the side that is nearer.
 * @param {Columns} columns
 * @param {Pick<Links, 'queries' | 'keys'>} links
 * @param {number} x
 * @param {number} y
 * @returns {Token | null}
 */
export function tokenAt({ left, right, pitch }, { queries, keys }, x, y) {
  const side = x < (left + right) / 2 ? 'query' : 'key';
  const index = Math.floor((y - 2) / pitch);
  return index >= 0 && index < (side === 'query' ? queries : keys).length ? { side, index } : null;
}

/**
 * What a token looks at, or by what it is looked at: the weights of a head.
 * @param {Links} links
 * @param {number} head
 * @param {Token} token
 */
export function weightsOf({ weights, queries, keys }, head, { side, index }) {
  const [rows, columns] = [queries.length, keys.length];
  const at = head * rows * columns;
  return side === 'query'
    ? Array.from({ length: columns }, (_, key) => weights[at + index * columns + key])
    : Array.from({ length: rows }, (_, query) => weights[at + query * columns + index]);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Links} links
 * @param {Columns} columns
 * @param {Token | null} token  whose lines alone are drawn, with the weights of each head on the other side
 */
export function drawLinks(context, links, columns, token) {
  const { queries, keys, heads, palette } = links;
  const y = (/** @type {number} */ i) => 2 + (i + 0.5) * columns.pitch;
  context.lineWidth = 2;
  for (const head of heads) {
    context.strokeStyle = palette[head];
    const rows = token
      ? [token]
      : queries.map((_, index) => ({ side: /** @type {const} */ ('query'), index }));
    for (const from of rows) {
      weightsOf(links, head, from).forEach((weight, other) => {
        if (!(weight >= LEAST)) return;
        const [query, key] = from.side === 'query' ? [from.index, other] : [other, from.index];
        context.globalAlpha = Math.min(1, weight);
        context.beginPath();
        context.moveTo(columns.left, y(query));
        context.lineTo(columns.right, y(key));
        context.stroke();
      });
    }
  }
  context.globalAlpha = 1;
  if (token) drawWeights(context, links, columns, token, y);
  drawNames(context, { names: queries, side: 'query', token, y }, links, columns);
  drawNames(context, { names: keys, side: 'key', token, y }, links, columns);
}

/**
 * Beside each token of the other side, a square per head, as strong as its weight.
 * @param {CanvasRenderingContext2D} context
 * @param {Links} links
 * @param {Columns} columns
 * @param {Token} token
 * @param {(i: number) => number} y
 */
function drawWeights(context, links, columns, token, y) {
  const side = Math.min(SWATCH, columns.pitch - 3);
  links.heads.forEach((head, place) => {
    const x =
      token.side === 'query'
        ? columns.right - (links.heads.length - place) * side
        : columns.left + place * side;
    weightsOf(links, head, token).forEach((weight, other) => {
      context.globalAlpha = 1;
      context.fillStyle = links.colours.panel;
      context.fillRect(x, y(other) - side / 2, side, side);
      context.globalAlpha = Math.max(0, Math.min(1, weight));
      context.fillStyle = links.palette[head];
      context.fillRect(x, y(other) - side / 2, side, side);
    });
  });
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {{names: string[], side: 'query' | 'key', token: Token | null, y: (i: number) => number}} column
 * @param {Links} links
 * @param {Columns} columns
 */
function drawNames(context, { names, side, token, y }, { colours }, columns) {
  const room = (side === 'query' ? columns.left : columns.width - columns.right) - 6;
  context.font = FONT;
  context.textBaseline = 'middle';
  context.textAlign = side === 'query' ? 'right' : 'left';
  names.forEach((name, i) => {
    const chosen = token?.side === side && token.index === i;
    context.fillStyle = chosen || !token || token.side !== side ? colours.text : colours.muted;
    context.font = chosen ? `600 ${FONT}` : FONT;
    context.fillText(shortened(context, name, room), side === 'query' ? room + 2 : columns.right + 4, y(i));
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} room  px
 */
function shortened(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  const letters = Array.from(text);
  while (letters.length > 1 && context.measureText(letters.join('') + '…').width > room) letters.pop();
  return letters.join('') + '…';
}
