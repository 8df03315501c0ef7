/** A window on a line of numbers: the input above, the kernel under the window, then the output. */

import { number } from '../../lib/format.js';
import { lineLayout, middleOf } from './layout.js';
import { about0, swatch, tile, write } from './marks.js';
import { coveredAt } from './window.js';

const MATHS = 'italic 15px KaTeX_Math, "Latin Modern Math", "STIX Two Math", Cambria, serif';

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import('./window.js').Sliding} sliding
 * @param {import('../../charts/cells.js').Cell} at
 * @param {import('./marks.js').Look} look
 * @param {{width: number, height: number}} size
 */
export function drawLine(context, sliding, at, look, { width, height }) {
  const { input, window, output, x, k, y, op, stride, padding, dilation } = sliding;
  const { colours } = look;
  const layout = lineLayout(sliding, width, height);
  const { pitch, left } = layout;
  const size = Math.max(9, Math.min(20, pitch * 0.34));
  const covered = Array.from({ length: window[1] }, (_, j) => at.column * stride + j * dilation);
  const { patch } = coveredAt(sliding, at);
  const largest = op === 'max' ? patch.indexOf(Math.max(...patch)) : -1;

  /** @param {number} column @param {number} top @param {number} [share] */
  const cell = (column, top, share = 1) => ({
    x: left + column * pitch + ((1 - share) * pitch) / 2 + 1.5,
    y: top + ((1 - share) * pitch) / 2 + 1.5,
    width: pitch * share - 3,
    height: pitch * share - 3,
  });

  context.font = MATHS;
  context.fillStyle = colours.muted;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  for (const [name, top] of /** @type {[string, number][]} */ ([
    ['x', layout.input],
    ...(k.length ? [['k', layout.kernel]] : []),
    ['y', layout.output],
  ]))
    context.fillText(name, Math.max(10, left - 8), top + pitch / 2);

  const target = cell(middleOf(sliding, at.column), layout.output);
  const [from, to] = [cell(covered[0], 0), cell(covered[covered.length - 1], 0)];
  context.fillStyle = colours.accent;
  context.globalAlpha = 0.1;
  context.beginPath();
  context.moveTo(from.x, layout.input + pitch - 1);
  context.lineTo(to.x + to.width, layout.input + pitch - 1);
  context.lineTo(target.x + target.width, target.y);
  context.lineTo(target.x, target.y);
  context.fill();
  context.globalAlpha = 1;

  for (let column = 0; column < input[2] + 2 * padding[1]; column++) {
    const inside = column >= padding[1] && column < padding[1] + input[2];
    const j = covered.indexOf(column);
    const box = cell(column, layout.input);
    tile(context, box, colours, { dashed: !inside, strong: j >= 0, fill: j >= 0 && j === largest });
    const colour = inside ? colours.text : colours.muted;
    write(context, box, number(inside ? x[column - padding[1]] : 0), { size, colour });
  }
  const scale = about0(k, look.signs);
  if (k.length)
    covered.forEach((column, j) =>
      swatch(context, cell(column, layout.kernel, 0.8), k[j], scale, { text: `×${number(k[j])}`, size }),
    );
  for (let column = 0; column < output[1]; column++) {
    const box = cell(middleOf(sliding, column), layout.output);
    const now = column === at.column;
    context.globalAlpha = look.playing && column > at.column ? 0.25 : 1;
    tile(context, box, colours, { strong: now, fill: now });
    write(context, box, number(y[column]), { size, colour: colours.text, bold: now });
    context.globalAlpha = 1;
  }
}
