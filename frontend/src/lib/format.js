/** Numbers as the page writes them: rates as 3e-4, counts as 1 204, losses with three significant digits. */

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]  significant digits
 */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
    return minus(`${trim(mantissa)}e${Number(exponent)}`);
  }
  if (Math.round(size) >= 1000) return count(value);
  const whole = size >= 100 ? 3 : size >= 10 ? 2 : 1;
  return minus(trim(value.toPrecision(Math.max(digits, whole))));
}

/**
 * Like `number`, but of constant width: trailing zeros stay, so that changing digits do not jump.
 * @param {number | null | undefined} value
 */
export function steady(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return number(value);
  const size = Math.abs(value);
  if (Math.round(size) >= 1000 && size < 1e6) return count(value);
  return minus(
    size !== 0 && (size < 1e-3 || size >= 1e6)
      ? value.toExponential(2).replace('+', '')
      : value.toPrecision(3),
  );
}

/**
 * A whole number in groups of three.
 * @param {number} value
 */
export function count(value) {
  return minus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f'));
}

/** @param {string} digits */
const trim = (digits) => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits);
/** @param {string} text */
const minus = (text) => text.replace('-', '−').replace('e−', 'e-');
