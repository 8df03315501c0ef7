/** The window with the speaker's notes: it hears what is presented, and asks when it opens. */

import { at } from '../../lib/base.js';

/**
 * What is presented now.
 * @typedef {object} Shown
 * @property {number} step  of the run
 * @property {string} preset  its title, or ''
 * @property {string} watch  the sentence to watch
 * @property {number} story  the step of the story, from 0; −1: none
 * @property {import('../../lib/types.js').Knobs} knobs
 * @property {import('../../lib/i18n.svelte.js').Language} language
 */

/** @param {string} id  of the experiment */
const channelOf = (id) => new BroadcastChannel(`descent.notes.${id}`);

/** @param {string} id  of the experiment */
export const openNotes = (id) =>
  window.open(at(`/notes/${encodeURIComponent(id)}`), `descent-notes-${id}`, 'popup,width=900,height=1000');

/**
 * Tell the notes' window what is shown, whenever it asks and whenever that changes.
 * @param {string} id
 * @param {() => Shown} shown
 */
export function tellNotes(id, shown) {
  $effect(() => {
    const channel = channelOf(id);
    channel.onmessage = ({ data }) => data === 'ask' && channel.postMessage($state.snapshot(shown()));
    $effect(() => channel.postMessage($state.snapshot(shown())));
    return () => channel.close();
  });
}

/**
 * Hear what is presented.
 * @param {string} id
 * @param {(shown: Shown) => void} heard
 * @returns {() => void} stop
 */
export function hearNotes(id, heard) {
  const channel = channelOf(id);
  channel.onmessage = ({ data }) => typeof data === 'object' && heard(data);
  channel.postMessage('ask');
  return () => channel.close();
}
