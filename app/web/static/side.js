// The stage in lockstep: what is real, what is dreamt and how they differ, side by side and large.

import { el, say } from "./dom.js";
import { arrange } from "./layout.js";
import { shownValue, valuesOf } from "./views.js";

/** The view whose pictures stand on the stage. */
export const STRIP = "lockstep";
const TYPES = { png: "image/png", webp: "image/webp", jpeg: "image/jpeg" };
const DRIFT = "drift";
const GAP = 10;
const CAPTION = 24;

/** Pictures of a film strip, each with its caption. */
export class Side {
  /** fitted(): the pictures are there, or of another size, and have to be scaled. */
  constructor(fitted) {
    this.fitted = fitted;
    this.root = el("div", { class: "rc-side", hidden: true });
    this.figures = [];
    this.size = { width: 64, height: 64 };
    this.counts = { come: 0, shown: 0 };
    this.labels = "";
  }

  get on() {
    return !this.root.hidden;
  }

  /** Nothing to show side by side: the single picture has the stage. */
  off() {
    this.counts.shown = this.counts.come += 1;
    if (!this.on) return;
    this.root.hidden = true;
    this.fitted();
  }

  /** looks: `[{view, data}]` of a look inside. */
  async draw(looks) {
    const found = looks.find(({ view }) => view.name === STRIP && view.kind === "film_strip");
    if (!found) {
      this.off();
      return;
    }
    const number = (this.counts.come += 1);
    const { view, data } = found;
    const bitmap = await createImageBitmap(new Blob([valuesOf(view, data)], { type: TYPES[view.type] }), { colorSpaceConversion: "none" });
    if (number < this.counts.shown) return; // a later one was decoded sooner, or the strip is gone
    this.counts.shown = number;
    const [count, , height, width] = view.shape;
    const built = this.build(view.labels, count);
    const fresh = built || !this.on || width !== this.size.width || height !== this.size.height;
    this.size = { width, height };
    this.figures.forEach(({ canvas, context }, k) => {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      context.drawImage(bitmap, k * width, 0, width, height, 0, 0, width, height);
    });
    bitmap.close();
    this.tell(looks);
    this.root.dataset.drawn = String(Number(this.root.dataset.drawn ?? 0) + 1);
    this.root.hidden = false;
    if (fresh) this.fitted();
  }

  /** How far each dream has drifted, in its caption. */
  tell(looks) {
    const drift = looks.find(({ view }) => view.name === DRIFT && view.kind === "curves");
    const values = drift ? valuesOf(drift.view, drift.data) : null;
    const dreams = this.figures.filter(({ label }, k) => k > 0 && !isError(label));
    dreams.forEach(({ value }, k) => {
      const last = values?.[(k + 1) * drift.view.shape[1] - 1];
      const alike = last === Infinity || last >= 99 ? "alike" : `${shownValue(last)} dB`;
      say(value, Number.isFinite(last) || last === Infinity ? alike : "");
    });
  }

  /** Make the figures of these labels, where they are not there yet; whether they were made. */
  build(labels, count) {
    const text = `${count}|${labels.join("|")}`;
    if (text === this.labels) return false;
    this.labels = text;
    this.figures = Array.from({ length: count }, (_, k) => {
      const label = labels[k] ?? String(k + 1);
      const canvas = el("canvas", { width: 64, height: 64, role: "img", "aria-label": label });
      const value = el("span", { class: "rc-side-value", title: "Of the moving pixels: more decibels, more alike" });
      const legend = isError(label)
        ? el("span", { class: "rc-side-legend", title: "Grey: as in reality; red: the dream is brighter, blue: darker" }, ...legendOf("brighter"), ...legendOf("darker"))
        : null;
      const caption = el("figcaption", {}, el("b", {}, label), value, legend);
      const figure = el("figure", { "data-label": label }, caption, canvas);
      return { label, figure, canvas, value, context: canvas.getContext("2d", { alpha: false }) };
    });
    this.root.replaceChildren(...this.figures.map(({ figure }) => figure));
    return true;
  }

  /** Scale to the room there is, in CSS pixels. */
  fit(room) {
    if (!this.on || this.figures.length === 0) return;
    const { columns, width, height } = arrange(this.figures.length, this.size, room, window.devicePixelRatio || 1, { gap: GAP, above: CAPTION });
    this.root.style.gridTemplateColumns = `repeat(${columns}, ${width}px)`;
    this.figures.forEach(({ figure, canvas }, k) => {
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
      Object.assign(figure.style, placeOfPart(k, this.figures.length, columns));
    });
  }
}

const PLACES = { 3: [[1, 1], [2, 1], [2, 2], [3, 1], [3, 2]], 2: [[1, 1], [1, 2], [2, 2], [1, 3], [2, 3]] };

/** Where part `k` of `count` stands: two dreams stand beside reality, or below it, each with its error at it. */
export function placeOfPart(k, count, columns) {
  const place = count === 5 ? PLACES[columns]?.[k] : undefined;
  if (!place) return { gridColumn: "auto", gridRow: "auto" };
  return { gridColumn: String(place[0]), gridRow: String(place[1]) };
}

function legendOf(word) {
  return [el("i", { class: `rc-${word}` }), el("span", {}, word)];
}

function isError(label) {
  return label.startsWith("error");
}
