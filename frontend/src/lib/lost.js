/** Why a worker was lost, which the server says in a sentence, in the page's language. */

import { t } from './i18n.svelte.js';
import { add } from '../messages/index.js';
import texts from '../messages/lost.js';

add(texts);

/**
 * The sentences of `workers/` and what they are about.
 * @type {[RegExp, keyof typeof texts][]}
 */
const SENTENCES = [
  [/^the node (?<node>\S+) cannot be reached/, 'lost.node.unreachable'],
  [/^the node (?<node>\S+) has not answered for (?<seconds>\d+) s/, 'lost.node.silent'],
  [/^the node (?<node>\S+) is gone/, 'lost.node.gone'],
  [/^the node (?<node>\S+) has (?<has>.+), and this server (?<wants>.+); install/, 'lost.node.differs'],
  [/the node (?<node>\S+) ran low on memory/, 'lost.node.memory'],
  [/^the worker process on the node (?<node>\S+) was killed/, 'lost.worker.node'],
  [/^the worker process on the node (?<node>\S+) failed: (?<why>.+)/, 'lost.worker.failed'],
  [/^the worker process .+ on the node (?<node>\S+)$/, 'lost.worker.node'],
  [/^the worker process was killed by signal (?<signal>\d+)/, 'lost.worker.signal'],
  [/^the worker process ended with exit code (?<code>-?\d+)/, 'lost.worker.code'],
  [/^the head of the Ray cluster/, 'lost.head'],
  [/^the connection to the Ray cluster was lost/, 'lost.connection'],
  [/the Ray cluster.* (cannot be reached|did not answer within)/, 'lost.cluster'],
];

/** @param {string} sentence @returns {string}  the sentence itself where it is none of these */
export function lostInWords(sentence) {
  for (const [pattern, key] of SENTENCES) {
    const found = pattern.exec(sentence);
    if (found) return t(key, found.groups ?? {});
  }
  return sentence;
}
