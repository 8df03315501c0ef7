/** What runs train on: names of devices as the server has them (`cpu`, `cuda:0`, `mps`), and why one was chosen. Pure. */

/** @typedef {{device: string, rates: Record<string, number>, failed?: Record<string, string>}} Chosen  `rates`, `failed`: by kind */
/** A sentence: the key of its text, and what it holds. `name`s are of devices. @typedef {{key: import('../messages/index.js').Key, name: string, other: string, times: number}} Why */

const NAME = /^(auto|cpu|cuda(:(0|[1-9]\d?))?|mps)$/;

/** Whether a run can be asked to train on it. @param {string} name */
export const isDevice = (name) => NAME.test(name);

/** `cpu`, `cuda` or `mps`. @param {string} device */
export const kindOf = (device) => device.split(':')[0];

/**
 * What a new run can be asked to train on; none where there is nothing to choose.
 * @param {string[]} devices  of the server
 */
export function choicesOf(devices) {
  if (devices.length < 2) return [];
  const gpus = devices.filter((device) => device.startsWith('cuda:'));
  return ['auto', 'cpu', ...(gpus.length > 1 ? ['cuda'] : []), ...devices.filter((one) => one !== 'cpu')];
}

/**
 * The choice that means what was asked for, as by a link.
 * @param {string} asked
 * @param {string[]} choices
 */
export const choiceOf = (asked, choices) =>
  choices.includes(asked) ? asked : (choices.find((one) => kindOf(one) === kindOf(asked)) ?? 'auto');

/**
 * Why a device was chosen; null where there was nothing to compare.
 * @param {Chosen | null} chosen
 * @returns {Why | null}
 */
export function whyChosen(chosen) {
  if (!chosen) return null;
  const { device, rates, failed = {} } = chosen;
  const kind = kindOf(device);
  const other = [...Object.keys(rates), ...Object.keys(failed)].find((one) => one !== kind);
  if (other === undefined) return null;
  const names = { name: device, other };
  if (other in failed) {
    const reason = failed[other];
    const key =
      reason === 'float64' || reason === 'memory' || reason === 'operation'
        ? /** @type {const} */ (`device.failed.${reason}`)
        : 'device.failed';
    return { key, ...names, times: 0 };
  }
  const times = rates[kind] / rates[other];
  return times > 1
    ? { key: 'device.faster', ...names, times }
    : { key: 'device.hardly', ...names, times: 1 / times };
}
