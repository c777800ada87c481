// A matrix of yes and no, as a list: what was looked for, and what was found.

import { el } from "./dom.js";
import { valuesOf } from "./views.js";

const FOUND = "found";

/** Whether a matrix says of each row whether it was found. */
export function isChecklist({ kind, columns = [] }) {
  return kind === "matrix" && columns.length === 1 && columns[0] === FOUND;
}

/** The rows of such a matrix, `{name, text, found}`, those found first. */
export function checksOf({ labels, shape }, values) {
  const rows = Array.from({ length: shape[0] }, (_, k) => {
    const [name, ...text] = (labels[k] ?? String(k)).split(": ");
    return { name, text: text.join(": "), found: values[k] > 0.5 };
  });
  return [...rows.filter(({ found }) => found), ...rows.filter(({ found }) => !found)];
}

export class CheckCard {
  constructor(view) {
    this.view = view;
    this.list = el("ul", { class: "rc-checks" });
    const head = el("div", { class: "rc-card-head" }, el("b", {}, view.name));
    this.root = el("div", { class: "rc-card rc-check-card", "data-view": view.name, "data-kind": view.kind }, head, this.list);
  }

  fits(view) {
    return isChecklist(view);
  }

  draw(view, data) {
    this.view = view;
    const checks = checksOf(view, valuesOf(view, data));
    const none = checks.some(({ found }) => found) ? [] : [el("li", { class: "rc-check rc-check-none" }, el("b", {}, "no fault"), el("span", {}, "in what was looked at"))];
    const lines = checks.map(({ name, text, found }) => {
      const says = found ? text : "not found";
      return el("li", { class: `rc-check ${found ? "rc-check-found" : ""}`, "data-found": String(found) }, el("b", {}, name), el("span", {}, says));
    });
    this.list.replaceChildren(...none, ...lines);
  }
}
