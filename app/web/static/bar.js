// The bar below the picture: pause, the timeline, and what belongs to the page.

import { el } from "./dom.js";
import { change, icon } from "./icons.js";

const TOOLS = { pause: "Pause", fullscreen: "Fullscreen", panel: "Measures", look_inside: "Look inside", help: "Keys" };

/** obey(command, byPointer): a button was pressed; by a pointer: then the keys should go to the game again. */
export class Bar {
  constructor(timeline, obey) {
    this.obey = obey;
    const [pause, ...others] = Object.keys(TOOLS).map((command) => this.tool(command));
    this.pause = pause;
    this.root = el("div", { class: "rc-bar" }, pause, timeline.root, ...others);
  }

  /** Whether the game stands still: the button says what it does. */
  paused(on) {
    const label = on ? "Go on" : "Pause";
    this.pause.title = label;
    this.pause.setAttribute("aria-label", label);
    change(this.pause, on ? "play" : "pause");
  }

  tool(command) {
    const label = TOOLS[command];
    const names = { class: "rc-icon-button", "data-command": command, "aria-label": label, title: label };
    const press = (event) => this.obey(command, event.detail > 0);
    return el("button", { type: "button", ...names, onclick: press }, icon(command));
  }
}
