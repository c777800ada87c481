// Gamepads are asked, since browsers do not tell: once a picture of the screen, while there is one.

import { gamepadButtons, gamepadCommands } from "./layout.js";

/** held: where buttons go. command(name, down): for the page's own. active(): whether to listen at all. */
export class Gamepads {
  constructor({ held, pad, command, active }) {
    Object.assign(this, { held, pad, command, active });
    this.commands = new Set();
    this.running = false;
    window.addEventListener("gamepadconnected", () => this.start());
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
    this.held.set("gamepad", pad ? use.flatMap((one) => gamepadButtons(one, pad)) : []);
    this.running = found.length > 0;
    if (this.running) requestAnimationFrame(() => this.look());
  }
}
