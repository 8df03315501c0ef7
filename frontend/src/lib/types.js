/**
 * The shapes that travel between server and page, as types only.
 *
 * @typedef {'queued' | 'starting' | 'running' | 'paused' | 'finished' | 'stopped' | 'diverged' | 'failed' | 'interrupted'} RunStatus
 * @typedef {'hero' | 'wide' | 'small'} PanelSize
 *
 * @typedef {object} PanelSpec  one picture, as the experiment declares it
 * @property {string} name
 * @property {string} kind
 * @property {string} title
 * @property {string} caption
 * @property {PanelSize} size
 * @property {string} [group]  empty: the experiment's own
 * @property {Record<string, any>} options
 *
 * @typedef {Float32Array | Int32Array | Uint8Array | BigInt64Array} TypedArray
 *
 * @typedef {object} Tensor
 * @property {number[]} shape
 * @property {TypedArray} data
 *
 * @typedef {object} Frame  one update of one panel (or a batch of scalars), decoded
 * @property {'scalars' | 'panel' | 'sweep'} type
 * @property {string} run
 * @property {number} seq
 * @property {number} step
 * @property {string} panel
 * @property {string} kind
 * @property {Record<string, any>} meta
 * @property {Record<string, Tensor>} tensors
 * @property {boolean} [final]  of a sweep: nothing comes after it
 *
 * @typedef {object} KnobSchema  one property of the knobs' JSON Schema
 * @property {string} [type]
 * @property {string} title
 * @property {string} description
 * @property {any} default
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {string[]} [enum]
 * @property {any} [items]
 * @property {any[]} [prefixItems]
 * @property {number} [maxItems]
 * @property {number} [minItems]
 * @property {number} [maxLength]
 * @property {string} [format]
 *
 * @typedef {object} PanelProps  what every panel component gets
 * @property {PanelSpec} panel
 * @property {Frame | null} frame  the latest frame, replaced at most once per animation frame
 * @property {import('./run.svelte.js').RunView} run  scalars, knobs, and setKnob(name, value) for panels that edit one
 * @property {import('./run.svelte.js').RunView[]} [others]  runs to compare with; charts draw their curves, too
 * @property {boolean} large  whether the panel is the hero or enlarged
 */
export {};
