/** Parsing of typed numbers: the value, or the reason why there is none. No DOM. */

/**
 * @typedef {object} Wanted  which numbers fit
 * @property {number} [low]
 * @property {number} [high]
 * @property {boolean} [whole]
 */
/** @typedef {{value: number, reason: ''} | {value?: undefined, reason: Reason}} Read */
/** @typedef {'empty' | 'none' | 'percent' | 'ambiguous' | 'whole' | 'range'} Reason */

const PLAIN = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const GROUPS = { ',': /^[+-]?[1-9]\d{0,2}(,\d{3})+$/, '.': /^[+-]?[1-9]\d{0,2}(\.\d{3})+$/ };
const SPACED = /^[+-]?[1-9]\d{0,2}([ '’]\d{3})+(?=[.,]|$)/;

/**
 * Parse a number with a decimal point or comma, grouped thousands, or an exponent as in 1e-3.
 * Ambiguous texts are rejected: `1,000` is 1000 only where a whole number is expected.
 * @param {string} text
 * @param {Wanted} [wanted]
 * @returns {Read}
 */
export function readNumber(text, { low = -Infinity, high = Infinity, whole = false } = {}) {
  const typed = text
    .normalize('NFKC')
    .replaceAll(/[−–﹣]/g, '-')
    .replaceAll(/\s/g, ' ')
    .trim();
  if (!typed) return { reason: 'empty' };
  if (typed.includes('%')) return { reason: 'percent' };
  const plain = inPlain(typed, whole);
  if (plain === 'ambiguous') return { reason: 'ambiguous' };
  const value = PLAIN.test(plain) ? Number(plain) : NaN;
  if (!Number.isFinite(value)) return { reason: 'none' };
  if (whole && !Number.isInteger(value)) return { reason: 'whole' };
  if (value < low || value > high) return { reason: 'range' };
  return { value, reason: '' };
}

/** Digits with at most a point among them. @param {string} typed @param {boolean} whole */
function inPlain(typed, whole) {
  const joined = SPACED.test(typed) ? typed.replaceAll(/[ '’]/g, '') : typed;
  const commas = joined.split(',').length - 1;
  const points = joined.split('.').length - 1;
  if (commas && points) {
    const [group, decimal] = joined.lastIndexOf(',') > joined.lastIndexOf('.') ? ['.', ','] : [',', '.'];
    const [before, after, ...more] = joined.split(decimal);
    const grouped = GROUPS[/** @type {',' | '.'} */ (group)].test(before) && !more.length;
    return grouped ? `${before.replaceAll(group, '')}.${after}` : 'none';
  }
  const mark = commas ? ',' : '.';
  const count = commas + points;
  if (count > 1) return GROUPS[mark].test(joined) ? joined.replaceAll(mark, '') : 'none';
  if (count === 1 && GROUPS[mark].test(joined)) {
    if (mark === ',') return whole ? joined.replace(',', '') : 'ambiguous';
    if (whole) return 'ambiguous';
  }
  return joined.replace(',', '.');
}

/**
 * The `inputmode` for a phone's keyboard: those with digits alone have no minus, no point or no e.
 * @param {{type?: string, minimum?: number, 'x-log'?: boolean}} schema
 * @returns {'numeric' | 'decimal' | 'text'}
 */
export function keysFor(schema) {
  if ((schema.minimum ?? 0) < 0 || schema['x-log']) return 'text';
  return schema.type === 'integer' ? 'numeric' : 'decimal';
}

/**
 * Parse a typed line: pairs of a step and a value, in any of `0 0.1, 500 0.01`, `0 0,1; 500 0,01` and
 * `0,0.1 500,0.01`. Null if it is invalid or ambiguous.
 * @param {string} text
 * @returns {[number, number][] | null}
 */
export function readLine(text) {
  const spaces = text.trim().split(/[ \t]+/);
  const ways = /[;\n]/.test(text)
    ? [text.split(/[;\n]/).map((part) => part.trim().split(/\s+/))]
    : [
        text.split(',').map((part) => part.trim().split(/\s+/)),
        text.split(/,\s+/).map((part) => part.trim().split(/\s+/)),
        spaces.map((part) => part.split(',')),
        spaces.flatMap((_, i) => (i % 2 ? [] : [spaces.slice(i, i + 2)])),
      ];
  for (const way of ways) {
    const parts = way.filter((part) => part.join(''));
    const pairs = parts.map(([n, value, ...more]) => [
      readNumber(n, { whole: true }).value,
      more.length ? undefined : readNumber(value ?? '').value,
    ]);
    if (pairs.length && pairs.flat().every((value) => value !== undefined))
      return /** @type {[number, number][]} */ (pairs);
  }
  return null;
}
