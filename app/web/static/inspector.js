// The panel that looks inside the world: every view of a frame as a card, and values to change by hand.

import { el, say } from "./dom.js";
import { ViewCard } from "./viewcard.js";
import { lastEdit } from "./views.js";

const NOTHING = "Nothing to see yet: go on, or step once.";
const REAL = "Nothing to see of the real game: look into the dream, or the dream beside it.";

/**
 * order(verb, args): as Connection.order, with errors shown. obey(command): of the page. back(): the keyboard belongs to
 * the game again.
 */
export class Inspector {
  constructor({ order, obey, back }) {
    Object.assign(this, { order, obey, back });
    this.cards = new Map();
    this.waiting = null;
    this.hint = el("p", { class: "rc-inside-hint" }, NOTHING);
    this.undo = el("button", { type: "button", class: "rc-undo", disabled: true, onclick: () => obey("undo") }, "Undo edit");
    const close = el("button", { type: "button", class: "rc-close", "aria-label": "Close", onclick: () => this.toggle() }, "×");
    const title = el("h3", {}, "Inside the world");
    this.note = el("span", { class: "rc-inside-note" }, "Click a choice, or drag a bar, and it dreams on from there.");
    this.grids = el("div", { class: "rc-cards-grids" });
    this.others = el("div", { class: "rc-cards-others" });
    this.body = el("div", { class: "rc-inside-body" }, this.grids, this.others);
    const head = el("div", { class: "rc-inside-head" }, title, this.note, this.undo, close);
    this.root = el("section", { class: "rc-inside", "aria-label": "Inside the world", hidden: true }, head, this.hint, this.body);
  }

  get open() {
    return !this.root.hidden;
  }

  toggle() {
    this.root.hidden = this.open;
    this.clear();
    return this.order("inspect", { on: this.open }).catch(() => {});
  }

  /** Another connection or world: nothing is known of it, and it does not know that somebody looks. */
  begin() {
    this.clear();
    if (this.open) this.order("inspect", { on: true }).catch(() => {});
  }

  clear() {
    this.waiting = null;
    this.cards.clear();
    this.grids.replaceChildren();
    this.others.replaceChildren();
    this.hint.hidden = false;
    this.note.hidden = true;
  }

  /** A look inside came; it is shown with its frame. */
  hear(look) {
    this.waiting = look;
  }

  /** Frame `seq` is on the canvas. */
  show(seq) {
    if (!this.open || this.waiting?.seq > seq) return;
    if (this.waiting?.seq !== seq) {
      this.clear(); // no look came with this frame: what is shown belongs to another one
      return;
    }
    const { views, data } = this.waiting;
    this.waiting = null;
    this.hint.hidden = views.length > 0;
    this.note.hidden = !views.some((view) => view.editable);
    const names = new Set(views.map((view) => view.name));
    for (const [name, card] of this.cards) {
      if (names.has(name)) continue;
      card.root.remove();
      this.cards.delete(name);
    }
    for (const view of views) this.card(view).draw(view, data);
  }

  card(view) {
    let card = this.cards.get(view.name);
    if (card?.fits(view)) return card;
    const fresh = new ViewCard(view, {
      edit: (index, number) => this.edit(view.name, index, number),
      back: this.back,
    });
    if (card) card.root.replaceWith(fresh.root);
    else (view.kind.endsWith("_grid") ? this.grids : this.others).append(fresh.root);
    this.cards.set(view.name, fresh);
    return fresh;
  }

  edit(view, index, number) {
    return this.order("edit", { view, changes: [[index, number]] }).catch(() => {});
  }

  /** state: of the session. Whether there is an edit to take back. */
  follow(state) {
    this.undo.disabled = lastEdit(state) === null;
    say(this.hint, state.real ? REAL : NOTHING);
    say(this.undo, "Undo edit");
  }
}
