/** The learner's path: chapters in order, and within one, which experiment leads to which. No DOM. */

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {Pick<ExperimentSummary, 'id' | 'after'>} Step */

/** @typedef {import('./own.svelte.js').BrokenFile} BrokenFile */

/**
 * Experiments by chapter, both in learning order; in a chapter of one's own also the files that give none.
 * @param {ExperimentSummary[]} experiments
 * @param {BrokenFile[]} [broken]
 */
export function chaptersOf(experiments, broken = []) {
  const all = [...experiments, ...broken];
  return [...new Set(all.map(({ chapter }) => chapter))].map((id, place) => {
    const within = experiments.filter(({ chapter }) => chapter === id);
    const { chapter_title, chapter_about } = /** @type {typeof all[0]} */ (
      all.find(({ chapter }) => chapter === id)
    );
    return {
      id,
      number: place + 1,
      title: chapter_title,
      about: chapter_about,
      minutes: within.reduce((sum, { minutes }) => sum + minutes, 0),
      experiments: within,
      broken: broken.filter(({ chapter }) => chapter === id),
    };
  });
}

/**
 * The first experiment that was not opened yet and whose prerequisites were, else the first not opened.
 * @template {Step} S
 * @param {S[]} experiments  in learning order
 * @param {(id: string) => boolean} opened
 */
export const nextOf = (experiments, opened) =>
  experiments.find(({ id, after }) => !opened(id) && after.every(opened)) ??
  experiments.find(({ id }) => !opened(id));

/**
 * Experiments as a graph from left to right: one lies right of all its prerequisites that are among them. Those
 * in a column are ordered like the ones that lead to them.
 * @template {Step} S
 * @param {S[]} steps  in learning order
 * @returns {{nodes: {step: S, column: number, row: number}[], edges: [number, number][]}} edges between nodes by place
 */
export function graphOf(steps) {
  /** @type {Map<string, number>} */
  const places = new Map(steps.map(({ id }, place) => [id, place]));
  const before = steps.map(({ after }) =>
    after.flatMap((id) => (places.has(id) ? [/** @type {number} */ (places.get(id))] : [])),
  );
  /** @type {number[]} */
  const columns = [];
  for (const place of steps.keys())
    columns[place] = Math.max(-1, ...before[place].map((one) => columns[one] ?? -1)) + 1;
  /** @type {number[]} */
  const rows = [];
  for (let column = 0; column <= Math.max(0, ...columns); column++) {
    const within = [...steps.keys()].filter((place) => columns[place] === column);
    const height = (/** @type {number} */ place) =>
      before[place].reduce((sum, one) => sum + rows[one], 0) / (before[place].length || 1);
    within.sort((a, b) => height(a) - height(b) || a - b).forEach((place, row) => (rows[place] = row));
  }
  return {
    nodes: steps.map((step, place) => ({ step, column: columns[place], row: rows[place] })),
    edges: before.flatMap((some, place) => some.map((one) => /** @type {[number, number]} */ ([one, place]))),
  };
}
