/** The visible parts of a lab: the panels, and whether lesson and knobs are beside or over them. No DOM. */

import { recall, remember } from '../../lib/storage.js';

const LESSON_KEY = 'descent.lesson';

/** @typedef {import('../../lib/types.js').PanelSpec} PanelSpec */

export class Layout {
  /** The name of the enlarged panel. */
  enlarged = $state('');
  /** Names of panels. @type {string[]} */
  hidden = $state.raw([]);
  lesson = $state(false);
  /** Whether the knobs lie over the panels, on a phone. */
  sheet = $state(false);
  /** The panel group shown: '' for the experiment's own. */
  group = $state('');
  /** On a phone: panels or the lesson. @type {'panels' | 'lesson'} */
  tab = $state('panels');
  #narrow;

  /** @param {boolean} narrow  whether the lesson would lie over the panels */
  constructor(narrow) {
    this.#narrow = narrow;
    this.fit(narrow);
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

  /** The largest panels first. @param {PanelSpec[]} panels */
  shown(panels) {
    return panels
      .filter((panel) => !this.hidden.includes(panel.name) && (panel.group ?? '') === this.group)
      .sort((a, b) => Number(b.size === 'hero') - Number(a.size === 'hero'));
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
