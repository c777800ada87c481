// Gamepads are asked, since browsers do not tell: once a picture of the screen, while there is one.

import { gamepadAxes, gamepadButtons, gamepadCommands } from "./layout.js";

/**
 * held: where buttons go. lean(axis, value): where axes go. axes(): those of the world. command(name, down): for the
 * page's own. active(): whether to listen at all.
 */
export class Gamepads {
  constructor({ held, pad, axes, lean, command, active }) {
    Object.assign(this, { held, pad, axes, lean, command, active });
    this.leans = [];
    this.commands = new Set();
    this.running = false;
    window.addEventListener("gamepadconnected", () => this.start());
  }

  /** The axes as the gamepads hold them, whoever leans the most; told where they changed. */
  follow(gamepads, axes) {
    const leans = gamepads.map((one) => gamepadAxes(one, axes));
    axes.forEach((_, axis) => {
      const value = leans.map((one) => one[axis]).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
      if (value === (this.leans[axis] ?? 0)) return;
      this.leans[axis] = value;
      this.lean(axis, value);
    });
  }

  /** The server was told that nothing is held any more, or is another one. */
  forget() {
    this.leans = [];
  }

  start() {
    if (this.running) return;
    this.running = true;
    requestAnimationFrame(() => this.look());
  }

  look() {
    const found = [...navigator.getGamepads()].filter((one) => one?.connected);
    const use = this.active() ? found : [];
    const commands = new Set(use.flatMap(gamepadCommands));
    for (const name of commands) if (!this.commands.has(name)) this.command(name, true);
    for (const name of this.commands) if (!commands.has(name)) this.command(name, false);
    this.commands = commands;
    const pad = this.pad();
    const axes = this.axes();
    this.held.set("gamepad", pad ? use.flatMap((one) => gamepadButtons(one, pad, axes.length > 0)) : []);
    this.follow(use, axes);
    this.running = found.length > 0;
    if (this.running) requestAnimationFrame(() => this.look());
  }
}
