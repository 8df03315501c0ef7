/** The visible parts of a lab: the panels, and whether lesson and knobs are beside or over them. No DOM. */

import { recall, remember } from '../../lib/storage.js';

const LESSON_KEY = 'descent.lesson';
/** Tools with a view of their own, beside the groups of panels. */
export const TOOLS = ['sweep', 'schedule'];
const FIRST = 4; // panels of a group that are shown at first

/** @typedef {import('../../lib/types.js').PanelSpec} PanelSpec */
/** @typedef {import('../../lib/types.js').Knobs} Knobs */

/** The hero first, then the one beside it. @param {PanelSpec} panel */
const rank = ({ size }) => (size === 'hero' ? 0 : size === 'pair' ? 1 : 2);

/**
 * Whether a panel has something to show with these knobs.
 * @param {PanelSpec} panel
 * @param {Knobs | null} knobs
 */
function able({ options }, knobs) {
  if (!knobs) return true;
  return (
    Object.entries(options?.when ?? {}).every(([knob, values]) => values.includes(knobs[knob])) &&
    Object.entries(options?.above ?? {}).every(([knob, bound]) => Number(knobs[knob]) > bound)
  );
}

export class Layout {
  /** The name of the enlarged panel. */
  enlarged = $state('');
  /** Names of panels. @type {string[]} */
  hidden = $state.raw([]);
  lesson = $state(false);
  /** Whether the knobs lie over the panels, on a phone. */
  sheet = $state(false);
  /** The view: a panel group, '' for the experiment's own, or a tool. */
  group = $state('');
  /** On a phone: panels or the lesson. @type {'panels' | 'lesson'} */
  tab = $state('panels');
  /** Whether the panels beyond the first are shown, too. */
  all = $state(false);
  /** What is open to share the run. @type {'' | 'menu' | 'link' | 'build' | 'embed' | 'present' | 'paper' | 'weights'} */
  sharing = $state('');
  #narrow;
  #allKey;

  /**
   * @param {boolean} narrow  whether the lesson would lie over the panels
   * @param {string} id  of the experiment
   */
  constructor(narrow, id) {
    this.#narrow = narrow;
    this.#allKey = `descent.panels.${id}`;
    this.all = recall(this.#allKey) === 'all';
    this.fit(narrow);
  }

  /** The group of the panels shown; below a schedule they are the experiment's own. */
  get panels() {
    return TOOLS.includes(this.group) ? '' : this.group;
  }

  /** The lesson lies over the panels only when it is asked for. @param {boolean} narrow */
  fit(narrow) {
    this.#narrow = narrow;
    this.lesson = !narrow && recall(LESSON_KEY) !== 'closed';
  }

  toggleLesson() {
    this.lesson = !this.lesson;
    if (!this.#narrow) remember(LESSON_KEY, this.lesson ? 'open' : 'closed');
  }

  /**
   * Show what a link shows.
   * @param {{group: string, panels: string[]}} link
   * @param {import('../../lib/types.js').Experiment} experiment
   */
  restore({ group, panels }, experiment) {
    if (Object.hasOwn(experiment.groups, group)) this.group = group;
    const own = experiment.panels.filter((panel) => (panel.group ?? '') === this.group);
    const shown = own.filter((panel) => panels.includes(panel.name));
    if (!shown.length) return;
    this.hidden = own.filter((panel) => !shown.includes(panel)).map(({ name }) => name);
    this.all = shown.length > FIRST;
  }

  /**
   * Those of the group that are not hidden and have something to show, the hero first.
   * @param {PanelSpec[]} panels
   * @param {Knobs | null} knobs
   */
  #candidates(panels, knobs) {
    return panels
      .filter(
        (panel) =>
          !this.hidden.includes(panel.name) && (panel.group ?? '') === this.panels && able(panel, knobs),
      )
      .sort((a, b) => rank(a) - rank(b));
  }

  /**
   * The panels shown: at first the hero and three more, the first wide one of these beside it.
   * @param {PanelSpec[]} panels
   * @param {Knobs | null} [knobs]
   */
  shown(panels, knobs = null) {
    const found = this.#candidates(panels, knobs);
    if (this.all || found.length <= FIRST) return found;
    const [hero, ...sides] = found.slice(0, FIRST);
    const wide =
      sides.find((panel) => panel.size === 'pair') ??
      sides.find((panel) => panel.size === 'wide') ??
      sides[0];
    return [hero, wide, ...sides.filter((panel) => panel !== wide)];
  }

  /**
   * How many panels there are beyond the first.
   * @param {PanelSpec[]} panels
   * @param {Knobs | null} [knobs]
   */
  further(panels, knobs = null) {
    return Math.max(0, this.#candidates(panels, knobs).length - FIRST);
  }

  toggleAll() {
    this.all = !this.all;
    remember(this.#allKey, this.all ? 'all' : 'first');
  }

  /** @param {string} name  of a panel */
  enlarge(name) {
    this.enlarged = this.enlarged === name ? '' : name;
  }

  /** @param {string} name  of a panel */
  hide(name) {
    this.hidden = [...this.hidden, name];
  }

  /** @param {string} group */
  showPanels(group) {
    this.tab = 'panels';
    this.group = group;
  }

  showLesson() {
    this.tab = 'lesson';
    this.sheet = false;
  }
}
