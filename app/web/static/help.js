// The keys of the game and of the page, over the picture.

import { el } from "./dom.js";
import { capOf } from "./keys.js";
import { buttonLines } from "./layout.js";
import { SHORTCUTS, capsOf } from "./shortcuts.js";

/** A sheet with all keys; it is a dialog: Escape and its button close it. */
export class Help {
  constructor() {
    this.body = el("div", { class: "rc-help-body" });
    const close = el("button", { type: "button", class: "rc-close", "aria-label": "Close the help" }, "×");
    close.addEventListener("click", () => this.root.close());
    this.root = el("dialog", { class: "rc-help", "aria-label": "Keys" }, close, this.body);
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "F1" || event.key === "h") {
        event.preventDefault();
        this.root.close();
      }
    });
    this.root.addEventListener("click", (event) => {
      if (event.target === this.root) this.root.close();
    });
  }

  get open() {
    return this.root.open;
  }

  toggle(world) {
    if (this.root.open) this.root.close();
    else this.show(world);
  }

  show(world) {
    const groups = [...new Set(SHORTCUTS.map((one) => one.group))];
    this.body.replaceChildren(
      this.group("Game", gameLines(world)),
      ...groups.map((name) => this.group(name, pageLines(name))),
      this.group("Also", [
        [["Timeline"], "Click or drag: go there"],
        [["Gamepad"], "Stick or cross and buttons; Start pauses, Select: next start, L1 rewinds"],
      ]),
    );
    this.root.showModal();
  }

  group(name, lines) {
    const rows = lines.map(([caps, text]) => {
      const keys = el("span", {}, ...caps.map((cap) => el("kbd", {}, cap)));
      return el("div", { class: "rc-help-line" }, keys, el("span", {}, text));
    });
    return el("section", {}, el("h3", {}, name), ...rows);
  }
}

function gameLines(world) {
  return (world ? buttonLines(world) : []).map(({ keys, label }) => [keys.map(capOf), label]);
}

function pageLines(group) {
  const lines = SHORTCUTS.filter((one) => one.group === group && !(one.command === "save" && one.ctrl));
  return lines.map((one) => [capsOf(one, capOf), one.help]);
}
