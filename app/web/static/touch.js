// On-screen buttons for fingers, made from what the world understands: arrows as one cross, actions beside it.

import { el, say } from "./dom.js";
import { change, icon } from "./icons.js";
import { arrowsOf, padOf } from "./layout.js";

const ICONS = { up: "▲", down: "▼", left: "◀", right: "▶" };

/** held: where buttons go. command(name, down): pause and rewind, which a phone has no keys for. */
export class TouchPad {
  constructor({ held, command }) {
    Object.assign(this, { held, command });
    this.cross = el("div", { class: "rc-cross" });
    this.actions = el("div", { class: "rc-actions" });
    this.pause = this.tool("pause", "Pause");
    this.tools = el("div", { class: "rc-tools" }, this.tool("rewind", "Rewind"), this.pause);
    this.root = el("div", { class: "rc-pads", "aria-label": "Touch controls", role: "group" });
    this.root.append(this.cross, this.tools, this.actions);
    this.root.addEventListener("contextmenu", (event) => event.preventDefault());
    this.fingers = new Map();
    this.listenToCross();
    this.show(window.matchMedia("(pointer: coarse)").matches);
    window.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch") this.show(true);
    });
  }

  show(on) {
    this.root.hidden = !on;
  }

  get shown() {
    return !this.root.hidden;
  }

  /** The buttons of another world. */
  world(world) {
    this.fingers.clear();
    this.held.set("cross", []);
    this.pad = padOf(world);
    const have = Object.keys(this.pad.arrows);
    const across = have.includes("left") || have.includes("right");
    const along = have.includes("up") || have.includes("down");
    this.cross.hidden = !have.length;
    this.cross.className = `rc-cross ${across && along ? "rc-both" : along ? "rc-along" : "rc-across"}`;
    this.arrows = have.map((name) => this.arrow(name, this.pad.arrows[name]));
    this.cross.replaceChildren(...this.arrows);
    this.actions.replaceChildren(...this.pad.actions.map((button) => this.action(button)));
  }

  arrow(name, button) {
    const arrow = el("div", { class: "rc-arrow", role: "button", "aria-label": button.label, "data-arrow": name });
    arrow.append(el("span", { "aria-hidden": "true" }, ICONS[name]), el("small", {}, button.label));
    return arrow;
  }

  /** A round button; it is held as long as a finger that came down on it stays down. */
  action(button) {
    const round = el("div", { class: "rc-action", role: "button", "aria-label": button.label });
    round.append(el("span", {}, button.label));
    const source = (event) => `finger ${event.pointerId}`;
    this.hold(round, (event) => this.held.press(button.index, source(event)),
      (event) => this.held.release(button.index, source(event)));
    return round;
  }

  tool(name, label) {
    const small = el("div", { class: "rc-tool", role: "button", "aria-label": label, "data-tool": name });
    small.append(icon(name), el("small", {}, label));
    this.hold(small, () => this.command(name, true), () => this.command(name, false));
    return small;
  }

  /** Whether the game stands still: its button says what it does. */
  paused(on) {
    change(this.pause, on ? "play" : "pause");
    say(this.pause.querySelector("small"), on ? "Go on" : "Pause");
    this.pause.setAttribute("aria-label", on ? "Go on" : "Pause");
  }

  hold(element, begin, end) {
    element.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      element.setPointerCapture(event.pointerId);
      element.classList.add("rc-down");
      begin(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, (event) => {
        if (!element.classList.contains("rc-down")) return;
        element.classList.remove("rc-down");
        end(event);
      });
    }
  }

  /** The cross follows fingers that slide over it; each finger adds the arrows of its direction. */
  listenToCross() {
    const { cross } = this;
    const follow = (event) => {
      const box = cross.getBoundingClientRect();
      const x = (event.clientX - box.left - box.width / 2) / (box.width / 2);
      const y = (event.clientY - box.top - box.height / 2) / (box.height / 2);
      this.fingers.set(event.pointerId, arrowsOf(x, y, Object.keys(this.pad?.arrows ?? {}), 0.12));
      this.pressArrows();
    };
    cross.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      cross.setPointerCapture(event.pointerId);
      follow(event);
    });
    cross.addEventListener("pointermove", (event) => {
      if (this.fingers.has(event.pointerId)) follow(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      cross.addEventListener(name, (event) => {
        if (this.fingers.delete(event.pointerId)) this.pressArrows();
      });
    }
  }

  pressArrows() {
    const arrows = new Set([...this.fingers.values()].flat());
    this.held.set("cross", [...arrows].map((name) => this.pad.arrows[name].index));
    for (const arrow of this.arrows) arrow.classList.toggle("rc-down", arrows.has(arrow.dataset.arrow));
  }

  /** Fingers were lost sight of: nothing is pressed any more. */
  forget() {
    this.fingers.clear();
    for (const down of this.root.querySelectorAll(".rc-down")) down.classList.remove("rc-down");
  }
}
