/** What is said of refused requests. It comes with the first refusal, or once the first picture is there. */

import { Later } from './later.svelte.js';
import { add } from '../messages/index.js';

/** Without them an error tells what the server said. */
export const errorTexts = new Later(async () => {
  const { default: texts } = await import('../messages/errors.js');
  add(texts);
  return texts;
});
