/** Commands that wait for the connection: the last of each kind, the steps summed up. No DOM. */

/** @typedef {import('../types.js').Command} Command */

const isGo = (/** @type {Command} */ { type }) => type === 'pause' || type === 'resume';

export class CommandQueue {
  /** @type {Map<string, Command>} */
  #commands = new Map();

  /** @param {Command} command */
  add(command) {
    const waiting = this.#commands.get('step');
    if (command.type === 'step' && waiting?.type === 'step')
      command = { ...command, steps: (waiting.steps ?? 1) + (command.steps ?? 1) };
    this.#commands.set(isGo(command) ? 'go' : command.type, command);
  }

  /** The commands in the order to send them; none wait any more. */
  take() {
    const waiting = ['pace', 'go', 'step'].flatMap((kind) => this.#commands.get(kind) ?? []);
    this.#commands.clear();
    return waiting;
  }
}
