// The panel that looks inside the world: every view of a frame as a card, in bands, and values to change by hand.

import { Bench } from "./bench.js";
import { CheckCard, isChecklist } from "./checkcard.js";
import { el, say } from "./dom.js";
import { PLOTTED } from "./figures.js";
import { GridCard } from "./gridcard.js";
import { hintOf } from "./hints.js";
import { PlotCard } from "./plotcard.js";
import { Queue, whenThemed } from "./plots.js";
import { STRIP } from "./side.js";
import { ViewCard } from "./viewcard.js";
import { lastEdit } from "./views.js";

const NOTHING = "Nothing to see yet: go on, or step once.";
const REAL = "Nothing to see of the real game: look into the dream, or play both in lockstep.";
const TITLES = { asked: "What you asked for", beside: "Beside reality, and over time", inside: "Inside the world" };
/** Views that say how the dream stands to reality, or how it came here; by name, as their kinds have others, too. */
const BESIDE = new Set([
  "moving error", "objects", "drift", "objects apart", "reward", "latent path", "off the map", "nearest real", "reality and dream",
]);

/** In which band a view stands: "asked", "beside" or "inside". asked: names of the views that answer a question. */
export function bandOf({ name, kind }, asked) {
  if (asked.has(name) || kind === "picture_grid") return "asked";
  return BESIDE.has(name) || PLOTTED.has(kind) ? "beside" : "inside";
}

/**
 * order(verb, args): as Connection.order, with errors shown. obey(command): of the page. choose(wish): what
 * is to stand beside, `{against}` or `{episode}`. last(frames): how long futures are. back(): the keyboard belongs to the game again.
 */
export class Inspector {
  constructor({ order, obey, choose, last, back }) {
    Object.assign(this, { order, obey, back });
    this.cards = new Map();
    this.drawn = new Map();
    this.asked = new Set();
    this.queue = new Queue();
    this.lockstep = false;
    const press = (command, byPointer) => {
      obey(command);
      if (byPointer && !document.querySelector("dialog[open]")) back();
    };
    const clear = () => order("study", { what: "clear" }).catch(() => {});
    this.bench = new Bench({ obey: press, choose, last, clear });
    this.hint = el("p", { class: "rc-inside-hint" }, NOTHING);
    this.undo = el("button", { type: "button", class: "rc-undo", disabled: true, onclick: () => obey("undo") }, "Undo edit");
    const close = el("button", { type: "button", class: "rc-close", "aria-label": "Close", onclick: () => this.toggle() }, "×");
    const title = el("h3", {}, "Workbench");
    this.note = el("span", { class: "rc-inside-note" }, "Click a choice, or drag a bar, and it dreams on from there.");
    this.grids = el("div", { class: "rc-cards-grids" });
    this.others = el("div", { class: "rc-cards-others" });
    const away = el("button", { type: "button", class: "rc-undo", onclick: clear }, "Clear");
    this.bands = {
      asked: this.band("asked", away),
      beside: this.band("beside"),
      inside: this.band("inside", this.note),
    };
    this.bands.inside.body.append(this.grids, this.others);
    const head = el("div", { class: "rc-inside-head" }, title, this.undo, close);
    const bands = Object.values(this.bands).map(({ root }) => root);
    this.root = el("section", { class: "rc-inside", "aria-label": "Workbench", hidden: true }, head, this.bench.root, this.hint, ...bands);
    whenThemed(() => this.cards.forEach((card) => card.again?.()));
    this.fold();
  }

  band(name, more = null) {
    const head = el("div", { class: "rc-band-head" }, el("h4", {}, TITLES[name]), more);
    const body = el("div", { class: "rc-band-body" });
    return { root: el("section", { class: "rc-band", "data-band": name }, head, body), body };
  }

  get open() {
    return !this.root.hidden;
  }

  /** Whether the server is to send looks inside. */
  get wanted() {
    return this.open || this.lockstep;
  }

  toggle() {
    this.root.hidden = this.open;
    this.clear();
    return this.order("inspect", { on: this.wanted }).catch(() => {});
  }

  show() {
    if (!this.open) this.toggle();
  }

  /** Another connection or world: nothing is known of it, and it does not know that somebody looks. */
  begin() {
    this.clear();
    this.asked.clear();
    this.lockstep = false;
    if (this.open) this.order("inspect", { on: true }).catch(() => {});
  }

  clear() {
    for (const card of this.cards.values()) this.remove(card);
    this.cards.clear();
    this.drawn.clear();
    this.hint.hidden = false;
    this.note.hidden = true;
    this.fold();
  }

  /** What was asked for is there: these views are the answer. */
  answered(names) {
    this.asked = new Set(names);
    for (const name of names) this.drop(name); // they may stand in another band
  }

  /** The looks of the frame that is on the canvas, `[{view, data}]`. */
  take(looks) {
    if (!this.open) return;
    const shown = this.lockstep ? looks.filter(({ view }) => view.name !== STRIP) : looks;
    this.hint.hidden = shown.length > 0;
    this.note.hidden = !shown.some(({ view }) => view.editable);
    const names = new Set(shown.map(({ view }) => view.name));
    for (const name of [...this.cards.keys()]) if (!names.has(name)) this.drop(name);
    for (const look of shown) {
      const card = this.card(look.view);
      if (this.drawn.get(look.view.name) === look) continue;
      this.drawn.set(look.view.name, look);
      card.draw(look.view, look.data);
    }
    this.fold();
  }

  card(view) {
    const card = this.cards.get(view.name);
    if (card?.fits(view)) return card;
    const fresh = this.make(view);
    const hint = hintOf(view.name);
    if (hint) fresh.root.firstChild.after(el("p", { class: "rc-card-hint" }, hint));
    if (card?.view.kind === view.kind) card.root.replaceWith(fresh.root);
    else this.bodyOf(view).append(fresh.root);
    if (card) this.remove(card);
    this.drawn.delete(view.name);
    this.cards.set(view.name, fresh);
    return fresh;
  }

  make(view) {
    if (isChecklist(view)) return new CheckCard(view);
    if (PLOTTED.has(view.kind)) return new PlotCard(view, this.queue);
    if (view.kind === "picture_grid") return new GridCard(view);
    return new ViewCard(view, { edit: (index, number) => this.edit(view.name, index, number), back: this.back });
  }

  bodyOf(view) {
    const band = bandOf(view, this.asked);
    if (band !== "inside") return this.bands[band].body;
    return view.kind.endsWith("_grid") ? this.grids : this.others;
  }

  drop(name) {
    const card = this.cards.get(name);
    if (card) this.remove(card);
    this.cards.delete(name);
    this.drawn.delete(name);
  }

  remove(card) {
    card.gone?.();
    card.root.remove();
  }

  /** Bands without a card are not seen. */
  fold() {
    for (const { root, body } of Object.values(this.bands)) root.hidden = body.querySelector(".rc-card") === null;
  }

  edit(view, index, number) {
    return this.order("edit", { view, changes: [[index, number]] }).catch(() => {});
  }

  /** world, state: of the session; wishes: the world beside and the episode that were chosen. */
  follow(world, state, wishes) {
    this.undo.disabled = lastEdit(state) === null;
    say(this.hint, state.real ? REAL : NOTHING);
    this.bench.follow(world, state, wishes);
    const lockstep = Boolean(state.lockstep);
    if (lockstep === this.lockstep) return;
    this.lockstep = lockstep;
    if (lockstep && !this.open) this.root.hidden = false;
    if (this.wanted !== Boolean(state.inspect)) this.order("inspect", { on: this.wanted }).catch(() => {});
  }
}
