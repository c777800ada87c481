// One view of a look inside: its name, its picture, and the value under the pointer, which may be changed.

import { el, say } from "./dom.js";
import { Series } from "./measures.js";
import { cellsOf, changed, indexAt, nameOf, pixelsOf, rangeOf, shownValue, valueAt, valuesOf } from "./views.js";

const TYPES = { png: "image/png", webp: "image/webp", jpeg: "image/jpeg" };
const WIDEST = 340;
const TALLEST = 256;
const STEPS = 20;
const WIDEST_BAR = 28;
const FEW = 4;

/** edit(index, number): the player changes a value. back(): after a change by pointer. */
export class ViewCard {
  constructor(view, { edit, back }) {
    Object.assign(this, { view, edit, back });
    this.values = null;
    this.selected = null;
    this.dragged = null;
    this.series = new Series(120);
    this.strips = { come: 0, shown: 0 };
    this.info = el("output", { class: "rc-card-info" });
    this.canvas = el("canvas", { class: `rc-view rc-${view.kind}`, ...this.names() });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.cursor = el("i", { class: "rc-cursor", hidden: true });
    this.number = view.editable && view.kind === "vector" ? this.entry() : null;
    const head = el("div", { class: "rc-card-head" }, el("b", {}, view.name), this.number);
    this.place = el("div", { class: "rc-view-place" }, this.canvas, this.cursor);
    const labels = view.kind === "film_strip" && view.labels.length > 0 ? this.labels() : null;
    this.root = el("div", { class: "rc-card", "data-view": view.name, "data-kind": view.kind }, head, this.place, labels, this.info);
    this.listen();
  }

  /** Whether this card can show `view`, too. */
  fits(view) {
    return view.kind === this.view.kind && String(view.shape) === String(this.view.shape) && view.editable === this.view.editable;
  }

  draw(view, data) {
    this.view = view;
    if (view.kind === "film_strip") {
      this.strip(view, valuesOf(view, data));
      return;
    }
    if (this.dragged !== null) return; // the player's hand is on it
    this.values = valuesOf(view, data);
    if (view.kind === "scalar") this.scalar();
    else this.paint();
    this.tell(this.selected);
  }

  // -- pictures

  async strip(view, bytes) {
    const number = (this.strips.come += 1);
    const bitmap = await createImageBitmap(new Blob([bytes], { type: TYPES[view.type] }));
    if (number < this.strips.shown) return; // a later one was decoded sooner
    this.strips.shown = number;
    this.size(bitmap.width, bitmap.height, view.shape[2] < 40 ? 3 : 1.5);
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.canvas.dataset.drawn = String(Number(this.canvas.dataset.drawn ?? 0) + 1);
  }

  paint(values = this.values) {
    const { width, height, data } = pixelsOf(this.view, values);
    if (this.view.kind === "vector") this.size(width, height, Math.max(1, Math.min(WIDEST_BAR, WIDEST / width)), 1.5);
    else this.size(width, height, Math.max(2, Math.min(16, Math.floor(Math.min(WIDEST / width, TALLEST / height)))));
    this.context.putImageData(new ImageData(data, width, height), 0, 0);
    this.canvas.dataset.drawn = String(Number(this.canvas.dataset.drawn ?? 0) + 1);
  }

  scalar() {
    const [value] = this.values;
    this.series.add(value);
    const { values } = this.series;
    this.place.hidden = values.length < 2; // one number needs no picture
    const [wide, tall] = [120, 40];
    this.size(wide, tall, 1.5);
    const { context } = this;
    const [low, high] = [Math.min(0, ...values), Math.max(...values, 1e-9)];
    context.fillStyle = "#10141a";
    context.fillRect(0, 0, wide, tall);
    context.fillStyle = "#56b4e9";
    values.forEach((one, k) => {
      const height = (tall * (one - low)) / (high - low);
      context.fillRect(wide - values.length + k, tall - height, 1, Math.max(1, height));
    });
    say(this.info, shownValue(value));
  }

  size(width, height, scale, tall = scale) {
    const { canvas } = this;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    canvas.style.width = `${Math.round(width * scale)}px`;
    canvas.style.height = `${Math.round(height * tall)}px`;
  }

  // -- values

  /** What stands at `index`, in words, and where it is. */
  tell(index) {
    const cells = cellsOf(this.view);
    if (this.view.kind === "scalar" || !cells || this.values === null) return;
    const values = this.dragged?.values ?? this.values;
    say(this.info, index === null ? this.all(values) : nameOf(this.view, values, index));
    this.cursor.hidden = index === null;
    if (index === null) return;
    const share = (part, whole) => `${(100 * part) / whole}%`;
    this.cursor.style.left = share(index % cells.columns, cells.columns);
    this.cursor.style.top = share(Math.floor(index / cells.columns), cells.rows);
    this.cursor.style.width = share(1, cells.columns);
    this.cursor.style.height = share(1, cells.rows);
    if (this.number && document.activeElement !== this.number) {
      this.number.value = String(Number(values[index].toPrecision(3)));
    }
  }

  /** All of a few values, in words. */
  all(values) {
    if (this.view.kind !== "vector" || values.length > FEW) return "";
    return [...values.keys()].map((k) => nameOf(this.view, values, k)).join(" · ");
  }

  select(index) {
    this.selected = index;
    this.tell(index);
  }

  listen() {
    const { canvas } = this;
    if (!cellsOf(this.view)) return;
    canvas.addEventListener("pointermove", (event) => (this.dragged ? this.drag(event) : this.tell(this.at(event))));
    canvas.addEventListener("pointerleave", () => this.dragged ?? this.tell(this.selected));
    if (!this.view.editable) return;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.drop());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  at(event) {
    const { x, y } = this.shares(event);
    return indexAt(this.view, x, y);
  }

  shares(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  down(event) {
    const index = this.at(event);
    if (index === null || event.button !== 0 || this.values === null) return;
    event.preventDefault();
    this.select(index);
    if (this.view.kind !== "vector") {
      this.change(index, 1);
      this.back();
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.dragged = { index, values: this.values, range: rangeOf(this.values), number: this.values[index] };
    this.drag(event);
  }

  /** A bar follows the pointer; the world is told when it is let go of. */
  drag(event) {
    const { dragged } = this;
    dragged.number = valueAt(this.shares(event).y, dragged.range);
    dragged.values = changed(this.view, this.values, dragged.index, dragged.number);
    this.paint(dragged.values);
    this.tell(dragged.index);
  }

  up() {
    const { dragged } = this;
    if (!dragged) return;
    this.dragged = null;
    this.change(dragged.index, dragged.number);
    this.back();
  }

  drop() {
    if (this.dragged) this.paint();
    this.dragged = null;
  }

  /** Arrows choose a value; Enter chooses its class in a grid, up and down change it in a vector. */
  key(event) {
    const cells = cellsOf(this.view);
    const count = cells.columns * cells.rows;
    const vector = this.view.kind === "vector";
    const here = this.selected ?? 0;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ...(vector ? {} : { ArrowUp: -cells.columns, ArrowDown: cells.columns }) };
    const steps = vector ? { ArrowUp: 1, ArrowDown: -1 } : {};
    if (event.key in moves) this.select(Math.min(Math.max(here + moves[event.key], 0), count - 1));
    else if (event.key in steps) this.change(here, this.values[here] + (steps[event.key] * rangeOf(this.values)) / STEPS);
    else if (!vector && (event.key === "Enter" || event.key === " ")) this.change(here, 1);
    else return;
    event.preventDefault();
  }

  change(index, number) {
    this.values = changed(this.view, this.values, index, number);
    this.select(index);
    this.paint();
    this.edit(index, number);
  }

  // -- parts

  names() {
    const { view } = this;
    const what = `${view.name}, ${view.kind.replaceAll("_", " ")}`;
    if (!view.editable) return { role: "img", "aria-label": what };
    return { role: "application", tabindex: "0", "aria-label": `${what}: arrows choose, ${view.kind === "vector" ? "up and down change" : "Enter sets"}` };
  }

  labels() {
    return el("div", { class: "rc-strip-labels" }, ...this.view.labels.map((label) => el("span", {}, label)));
  }

  entry() {
    const field = el("input", { type: "number", step: "any", class: "rc-number", "aria-label": `Value in ${this.view.name}` });
    field.addEventListener("keydown", (event) => {
      const number = Number(field.value);
      if (event.key !== "Enter" || field.value === "" || !Number.isFinite(number) || this.values === null) return;
      event.stopPropagation(); // Enter is this field's here: to the page it would mean a new start
      this.change(this.selected ?? 0, number);
      field.blur();
    });
    return field;
  }
}
