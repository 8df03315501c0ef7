/**
 * What a link leaves out of a lab, so that a learner looks at what matters: knobs that are hidden or locked, and parts of
 * the page. It is there to guide, not to guard: whoever shortens the address has all of it. Pure.
 */

/** Parts of a lab that a link can leave out. */
export const PARTS = /** @type {const} */ (['presets', 'seed', 'story', 'challenges', 'lesson', 'tools']);

/** @typedef {typeof PARTS[number]} Part */
/** @typedef {{hidden: ReadonlySet<string>, locked: ReadonlySet<string>, without: ReadonlySet<string>}} Limits  names of knobs, and parts */

/** @type {Limits} */
export const NONE = { hidden: new Set(), locked: new Set(), without: new Set() };

const KEYS = /** @type {const} */ ({ hidden: 'hide', locked: 'lock', without: 'without' });

/** @param {URLSearchParams} query @returns {Limits} */
export function readLimits(query) {
  const set = (/** @type {string} */ key) => new Set(query.get(key)?.split('*').filter(Boolean) ?? []);
  return { hidden: set(KEYS.hidden), locked: set(KEYS.locked), without: set(KEYS.without) };
}

/** As parameters of an address. @param {Limits} limits @returns {[string, string][]} */
export const limitsIn = (limits) =>
  Object.entries(KEYS).flatMap(([of, key]) => {
    const names = [...limits[/** @type {keyof Limits} */ (of)]];
    return names.length ? [/** @type {[string, string]} */ ([key, names.join('*')])] : [];
  });

/**
 * The values that a learner may set.
 * @param {Limits} limits
 * @param {import('./types.js').Knobs} values
 */
export const allowed = ({ hidden, locked }, values) =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !hidden.has(name) && !locked.has(name)));
