// The strip below the picture: how far back one can go, where play stands, what happened.

import { el, say, svg } from "./dom.js";
import { drift, frameAt, placeOf } from "./layout.js";

const SIDE = 9;
const MIDDLE = 20;
const SHAPES = {
  start: "M-1 -12H1V12H-1Z",
  fork: "M0 -11A4 4 0 1 1 -0.01 -11ZM-1 -4H1V6H-1Z",
  edit: "M-4 12L-5 6L3 -4L7 0L-1 9Z",
  truncated: "M0 -7L7 0L0 7L-7 0Z",
  terminated: "M-6 -6H6V6H-6Z",
  reward: "M0 -15L5.5 -6H-5.5Z",
  penalty: "M0 15L5.5 6H-5.5Z",
  reward_mismatch: "M-4.5 -15.5L0 -11L4.5 -15.5L6 -14L1.5 -9.5L6 -5L4.5 -3.5L0 -8L-4.5 -3.5L-6 -5L-1.5 -9.5L-6 -14Z",
  end_mismatch: "M-4.5 3.5L0 8L4.5 3.5L6 5L1.5 9.5L6 14L4.5 15.5L0 11L-4.5 15.5L-6 14L-1.5 9.5L-6 5Z",
  anchor: "M-1.2 -14H1.2V8.5C3.5 8 5 6 5.5 3.5L7.5 4.5C6.5 9.5 3.5 12.5 0 13C-3.5 12.5 -6.5 9.5 -7.5 4.5L-5.5 3.5C-5 6 -3.5 8 -1.2 8.5Z",
  flag: "M-5 -15H-3.4V-14L6 -10.5L-3.4 -7V6H-5Z",
};
const NAMES = {
  start: "start", fork: "fork", edit: "edit", truncated: "horizon reached", terminated: "episode ended", reward: "reward",
  penalty: "penalty", reward_mismatch: "reward: the dream's is another", end_mismatch: "end: the dream's is another",
  anchor: "anchored to reality", flag: "flagged glitch",
};
const ORDER = Object.keys(SHAPES);

/** The marks, `[position, kind]`, but of a mismatch that lasts its first frame alone. */
export function withoutRuns(marks) {
  const there = new Set(marks.map(([position, kind]) => `${kind} ${position}`));
  return marks.filter(([position, kind]) => !kind.endsWith("_mismatch") || !there.has(`${kind} ${position - 1}`));
}

/** A slider over the frames kept. `go(position)` is called for every place that the player asks for. */
export class TimelineBar {
  constructor(go) {
    this.go = go;
    this.line = { length: 0, cursor: 0, index: 0 };
    this.told = null;
    this.fps = 15;
    this.capacity = 1;
    this.width = 0;
    this.dragged = null;
    this.full = svg("rect", { class: "rc-track", x: SIDE, y: MIDDLE - 3, height: 6, rx: 3 });
    this.kept = svg("rect", { class: "rc-kept", x: SIDE, y: MIDDLE - 3, height: 6, rx: 3 });
    this.played = svg("rect", { class: "rc-played", x: SIDE, y: MIDDLE - 3, height: 6, rx: 3 });
    this.marks = svg("g", {});
    this.head = svg("circle", { class: "rc-head-dot", cy: MIDDLE, r: 6 });
    this.drawing = svg("svg", { "aria-hidden": "true", height: 2 * MIDDLE, width: "100%" });
    this.drawing.append(this.full, this.kept, this.played, this.marks, this.head);
    this.back = el("span", { class: "rc-back", title: "How far back one can go" });
    this.ahead = el("span", { class: "rc-ahead", title: "What lies ahead after going back" });
    const names = { role: "slider", tabindex: "0", "aria-label": "Timeline" };
    this.slider = el("div", { class: "rc-slider", ...names }, this.drawing);
    this.root = el("div", { class: "rc-timeline" }, this.back, this.slider, this.ahead);
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.slider);
  }

  /** The world's frames a second, and how many frames can be kept. */
  world(fps, capacity) {
    this.fps = fps;
    this.capacity = Math.max(capacity, 2);
  }

  /** Marks as the server told them: true for the frame that it sends next. */
  tell(marks) {
    this.told = null;
    const sorted = withoutRuns(marks).sort((a, b) => ORDER.indexOf(a[1]) - ORDER.indexOf(b[1]));
    const drawn = sorted.filter(([, kind]) => SHAPES[kind]).map(([position, kind]) => {
      const shape = svg("path", { class: `rc-mark rc-${kind}`, d: SHAPES[kind] }, svg("title", {}, NAMES[kind]));
      shape.position = position;
      return shape;
    });
    this.marks.replaceChildren(...drawn);
    this.draw();
  }

  /** Where play stands now: {length, cursor, index}. */
  move(line) {
    this.line = line;
    this.told ??= line;
    this.draw();
  }

  draw() {
    const width = Math.max(0, this.slider.clientWidth - 2 * SIDE);
    const { length, cursor } = this.line;
    const capacity = Math.max(this.capacity, length);
    const at = (position) => placeOf(position, capacity, width);
    const moved = drift(this.told, this.line);
    this.full.setAttribute("width", width);
    this.kept.setAttribute("width", Math.max(6, at(length - 1)));
    this.played.setAttribute("width", Math.max(6, at(cursor)));
    this.head.setAttribute("cx", SIDE + at(cursor));
    for (const mark of this.marks.children) {
      const place = mark.position - moved;
      mark.setAttribute("transform", `translate(${(SIDE + at(place)).toFixed(1)} ${MIDDLE})`);
      mark.setAttribute("visibility", place >= 0 ? "visible" : "hidden");
    }
    this.label();
  }

  label() {
    const { length, cursor } = this.line;
    const behind = (length - 1 - cursor) / this.fps;
    const back = `−${(cursor / this.fps).toFixed(1)} s`;
    say(this.back, back);
    say(this.ahead, behind > 0 ? `+${behind.toFixed(1)} s` : "now");
    const { slider } = this;
    slider.setAttribute("aria-valuemin", "0");
    slider.setAttribute("aria-valuemax", String(Math.max(0, length - 1)));
    slider.setAttribute("aria-valuenow", String(cursor));
    slider.setAttribute("aria-valuetext", behind > 0 ? `${behind.toFixed(1)} seconds back` : "now");
  }

  listen() {
    const { slider } = this;
    const to = (event) => {
      const box = slider.getBoundingClientRect();
      const capacity = Math.max(this.capacity, this.line.length);
      const place = frameAt(event.clientX - box.left - SIDE, capacity, box.width - 2 * SIDE, this.line.length);
      if (place !== this.dragged) this.ask((this.dragged = place));
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.line.length < 2) return;
      event.preventDefault(); // the keys stay with the game
      slider.setPointerCapture(event.pointerId);
      to(event);
    });
    slider.addEventListener("pointermove", (event) => {
      if (this.dragged !== null) to(event);
    });
    for (const end of ["pointerup", "pointercancel"]) slider.addEventListener(end, () => (this.dragged = null));
    slider.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { length, cursor } = this.line;
    const second = Math.max(1, Math.round(this.fps));
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -second, PageUp: second };
    const places = { Home: 0, End: length - 1 };
    const place = places[event.key] ?? (by[event.key] === undefined ? null : cursor + by[event.key]);
    if (place === null || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.ask(Math.min(Math.max(place, 0), Math.max(0, length - 1)));
  }

  /** Go there at once for the eye; orders follow one after another, the newest place wins. */
  async ask(place) {
    this.line = { ...this.line, cursor: place };
    this.draw();
    this.wanted = place;
    if (this.asking) return;
    this.asking = true;
    while (this.wanted !== null) {
      const next = this.wanted;
      this.wanted = null;
      try {
        await this.go(next);
      } catch {
        this.wanted = null; // told where orders are given
      }
    }
    this.asking = false;
  }
}
