// What the workbench warns of while it is played: a calm list, each alarm by its name and in a sentence.

import { el } from "./dom.js";

/** The alarms of a state, as lines to read: `{name, text, since}`; what is none is left out. */
export function alarmsOf(state) {
  const alarms = Array.isArray(state?.alarms) ? state.alarms : [];
  return alarms.filter((alarm) => Array.isArray(alarm) && typeof alarm[0] === "string")
    .map(([name, text = "", since = 0]) => ({ name, text: String(text), since }));
}

export class Faults {
  constructor() {
    this.list = el("ul", { class: "rc-faults-list" });
    this.calm = el("p", { class: "rc-faults-calm" }, "No alarm so far");
    this.root = el("section", { class: "rc-faults", "aria-label": "Alarms", "aria-live": "polite", hidden: true }, this.calm, this.list);
    this.told = "";
  }

  follow(state) {
    const alarms = alarmsOf(state);
    this.root.hidden = !state?.lockstep && alarms.length === 0;
    this.calm.hidden = alarms.length > 0;
    const text = JSON.stringify(alarms);
    if (text === this.told) return;
    this.told = text;
    const before = new Map([...this.list.children].map((line) => [line.dataset.alarm, line]));
    this.list.replaceChildren(...alarms.map((alarm) => this.line(alarm, before.get(alarm.name))));
  }

  /** The line of an alarm that stays is kept, so that it is not read out again. */
  line({ name, text, since }, old) {
    if (old?.dataset.text === text) return old;
    const line = old ?? el("li", { class: "rc-fault", "data-alarm": name });
    line.dataset.text = text;
    line.replaceChildren(el("b", {}, name), el("span", {}, text), el("small", {}, `since frame ${since}`));
    return line;
  }
}
