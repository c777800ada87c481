// Pictures in rows and columns, with the names of both: futures beside each other.

import { el } from "./dom.js";
import { valuesOf } from "./views.js";

const TYPES = { png: "image/png", webp: "image/webp", jpeg: "image/jpeg" };
const GAP = 2;
const SCALE = { small: 2, large: 1 };
const SMALL = 80;

/** A view of the kind picture_grid. */
export class GridCard {
  constructor(view) {
    this.view = view;
    this.counts = { come: 0, shown: 0 };
    const what = `${view.name}: ${view.shape[0]} rows of ${view.shape[1]} pictures`;
    this.canvas = el("canvas", { class: "rc-view", role: "img", "aria-label": what });
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.rows = el("div", { class: "rc-grid-rows" });
    this.columns = el("div", { class: "rc-grid-columns" });
    const head = el("div", { class: "rc-card-head" }, el("b", {}, view.name));
    const place = el("div", { class: "rc-grid-place" }, el("span"), this.columns, this.rows, this.canvas);
    this.root = el("div", { class: "rc-card rc-grid-card", "data-view": view.name, "data-kind": view.kind }, head, place);
  }

  fits(view) {
    return view.kind === this.view.kind && String(view.shape) === String(this.view.shape);
  }

  async draw(view, data) {
    const [rows, columns, , height, width] = view.shape;
    const number = (this.counts.come += 1);
    const blob = new Blob([valuesOf(view, data)], { type: TYPES[view.type] });
    const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
    if (number < this.counts.shown) return; // a later one was decoded sooner
    this.counts.shown = number;
    this.view = view;
    const { canvas, context } = this;
    canvas.width = columns * (width + GAP) - GAP;
    canvas.height = rows * (height + GAP) - GAP;
    const scale = height <= SMALL ? SCALE.small : SCALE.large;
    canvas.style.width = `${canvas.width * scale}px`;
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const from = [column * width, row * height, width, height];
        context.drawImage(bitmap, ...from, column * (width + GAP), row * (height + GAP), width, height);
      }
    }
    bitmap.close();
    const names = (given, count) => Array.from({ length: count }, (_, k) => el("span", { title: given[k] ?? "" }, given[k] ?? String(k + 1)));
    this.rows.replaceChildren(...names(view.labels ?? [], rows));
    this.columns.replaceChildren(...names(view.columns ?? [], columns));
    canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
  }
}
