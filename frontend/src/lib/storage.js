/** Choices kept in local storage; where that is blocked, until the page is left. */

/** @type {Map<string, string>} */
const kept = new Map();

/** @param {string} key @returns {string | null} */
export function recall(key) {
  try {
    return kept.get(key) ?? localStorage.getItem(key);
  } catch {
    return kept.get(key) ?? null;
  }
}

/** @param {string} key @param {string} value */
export function remember(key, value) {
  kept.set(key, value);
  try {
    localStorage.setItem(key, value);
  } catch {
    // Blocked, or full: it is remembered here.
  }
}
