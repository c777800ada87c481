// A small sheet that asks for some words.

import { el, say } from "./dom.js";

/** A dialog: Escape and its button close it without an answer. */
export class Ask {
  constructor() {
    this.title = el("h3", {});
    this.text = el("p", { class: "rc-ask-text" });
    this.field = el("textarea", { class: "rc-ask-field" });
    this.problem = el("p", { class: "rc-ask-problem", role: "alert" });
    this.give = el("button", { type: "submit", class: "rc-button" }, "OK");
    const leave = el("button", { type: "button", class: "rc-tool-button", onclick: () => this.root.close() }, "Cancel");
    const buttons = el("div", { class: "rc-ask-buttons" }, leave, this.give);
    this.form = el("form", { method: "dialog" }, this.title, this.text, this.field, this.problem, buttons);
    this.root = el("dialog", { class: "rc-ask" }, this.form);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (this.lines === 1 || event.ctrlKey)) {
        event.preventDefault();
        this.submit();
      }
    });
    this.root.addEventListener("close", () => {
      this.settle?.(null);
      this.settle = null;
    });
  }

  get open() {
    return this.root.open;
  }

  /**
   * What the player writes, null when nothing. check(text): what is wrong with it in words, "" for nothing. lines: how tall
   * the field is; in one of a single line Enter is the answer.
   */
  words({ title, text, give, value = "", limit = 200, lines = 1, empty = true, check = () => "" }) {
    say(this.title, title);
    say(this.text, text);
    say(this.give, give);
    say(this.problem, "");
    this.root.setAttribute("aria-label", title);
    this.field.setAttribute("aria-label", title);
    Object.assign(this, { lines, check, empty });
    Object.assign(this.field, { value, maxLength: limit, rows: lines });
    this.root.showModal();
    this.field.focus();
    this.field.select();
    return new Promise((resolve) => (this.settle = resolve));
  }

  submit() {
    const value = this.field.value.trim();
    const problem = value || !this.empty ? this.check(value) : "";
    say(this.problem, problem);
    if (problem) return;
    const settle = this.settle;
    this.settle = null;
    this.root.close();
    settle?.(value);
  }
}
