// One view that is a plot: its name, and the picture that the plotting library makes of its values.

import { el, say } from "./dom.js";
import { figureOf } from "./figures.js";
import { drawPlot, erasePlot, themeOf } from "./plots.js";
import { valuesOf } from "./views.js";

const LEAST_PX = 200;

/** queue: a Queue, which says when it is time to draw. */
export class PlotCard {
  constructor(view, queue) {
    Object.assign(this, { view, queue });
    this.values = null;
    this.drawnAt = -Infinity;
    this.seen = true;
    this.plot = el("div", { class: "rc-plot", role: "img", "aria-label": `${view.name}, ${view.kind.replaceAll("_", " ")}` });
    this.info = el("output", { class: "rc-card-info" });
    const head = el("div", { class: "rc-card-head" }, el("b", {}, view.name));
    this.root = el("div", { class: "rc-card rc-plot-card", "data-view": view.name, "data-kind": view.kind }, head, this.plot, this.info);
    this.sight = new IntersectionObserver((entries) => {
      this.seen = entries.at(-1).isIntersecting;
      if (this.seen) this.again();
    });
    this.sight.observe(this.root);
    this.sizes = new ResizeObserver(() => this.again());
    this.sizes.observe(this.root);
  }

  fits(view) {
    return view.kind === this.view.kind;
  }

  draw(view, data) {
    this.view = view;
    this.values = valuesOf(view, data);
    this.reserve();
    this.again();
  }

  /** Room for the picture that is still to come: nothing below it may jump once it is drawn. */
  reserve() {
    if (this.plot.style.minHeight) return;
    const width = Math.max(LEAST_PX, this.root.clientWidth);
    this.plot.style.minHeight = `${figureOf(this.view, this.values, themeOf(this.root), width).height}px`;
  }

  /** The same values once more: the size, or the colours, are others. */
  again() {
    if (this.values !== null && this.seen) this.queue.ask(this);
  }

  /** Called by the queue. */
  render() {
    const width = Math.max(LEAST_PX, this.root.clientWidth);
    const figure = figureOf(this.view, this.values, themeOf(this.root), width);
    drawPlot(this.plot, figure, width).then(
      () => {
        this.plot.dataset.drawn = String(Number(this.plot.dataset.drawn ?? 0) + 1);
        say(this.info, "");
      },
      (error) => say(this.info, error.message),
    );
  }

  gone() {
    this.queue.forget(this);
    this.sight.disconnect();
    this.sizes.disconnect();
    erasePlot(this.plot);
  }
}
