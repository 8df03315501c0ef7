/**
 * Types shared by many modules. Those of messages are generated from the server's OpenAPI document
 * (`make types` writes net/server.d.ts) and aliased here; the rest are the page's own.
 *
 * @typedef {import('../net/server.js').RunInfo} RunInfo
 * @typedef {import('../net/server.js').ImportedRun} ImportedRun
 * @typedef {RunInfo['status']} RunStatus
 * @typedef {import('../net/server.js').ExperimentDescription} Experiment
 * @typedef {import('../net/server.js').ExperimentSummary} ExperimentSummary  without its lesson
 * @typedef {import('../net/server.js').PanelSpec} PanelSpec
 * @typedef {import('../net/server.js').Preset} Preset
 * @typedef {import('../net/server.js').KnobSchema} KnobSchema
 * @typedef {Experiment['knobs']['properties']} KnobSchemas  by knob
 * @typedef {import('../net/server.js').KnobValue} KnobValue
 * @typedef {Record<string, string | number> & {kind: string}} Row  of a knob that is a list of layers
 * @typedef {import('../net/server.js').KnobValues} Knobs  by knob, and `schedules`
 * @typedef {import('../net/server.js').Event} StreamEvent
 * @typedef {import('../net/server.js').Command} Command
 * @typedef {import('../net/server.js').Diagnosis} Diagnosis
 * @typedef {import('../net/server.js').WayBack} WayBack
 *
 * @typedef {object} Refusal  a refused request or command
 * @property {string} code
 * @property {string} [field]
 * @property {Record<string, unknown>} [params]
 * @property {string} [detail]
 * @property {string} [message]
 * @property {number} [status]  of the answer
 * @property {string} [tag]  of the command
 *
 * @typedef {Float32Array | Int32Array | Uint8Array | BigInt64Array} TypedArray
 *
 * @typedef {object} Tensor
 * @property {number[]} shape
 * @property {TypedArray} data
 *
 * @typedef {import('../net/server.js').Pictures} Pictures  by kind: the names of the tensors, and the type of `meta`
 * @typedef {keyof Pictures} PictureKind
 *
 * @typedef {object} Stamp  of any decoded frame
 * @property {string} run
 * @property {number} seq
 * @property {number} step
 *
 * @typedef {Stamp & {type: 'scalars', tensors: Record<string, Tensor>}} ScalarsFrame  `step`, and a column by scalar
 * @typedef {Stamp & {type: 'sweep', tensors: Record<'losses' | 'taken' | 'diverged', Tensor>,
 *   meta: import('../net/server.js').SweepMeta, final: boolean}} SweepFrame
 * @typedef {{[K in PictureKind]: PanelFrame<K>}[PictureKind]} Picture  one update of some panel
 * @typedef {ScalarsFrame | SweepFrame | Picture} Frame
 */

/**
 * One update of one panel.
 * @template {PictureKind} [K=PictureKind]
 * @typedef {Stamp & {type: 'panel', panel: string, kind: K, meta: Pictures[K]['meta'],
 *   tensors: Record<Pictures[K]['tensors'], Tensor>}} PanelFrame
 */

/**
 * A panel's `meta`, empty before its first frame.
 * @template {PictureKind} K
 * @typedef {Partial<Pictures[K]['meta']>} Meta
 */

/**
 * What every panel component gets.
 * @template {PictureKind} [K=PictureKind]
 * @typedef {object} PanelProps
 * @property {PanelSpec} panel
 * @property {Extract<Picture, {kind: K}> | null} frame  the latest frame, replaced at most once per animation frame
 * @property {import('./run.svelte.js').RunView} run  scalars, knobs, and setKnob(name, value) for panels that edit one
 * @property {import('./run.svelte.js').RunView[]} [others]  runs to compare with; charts draw their curves, too
 * @property {boolean} large  whether the panel is the hero, beside it, or enlarged
 */
export {};
