// The plotting library: fetched when the first plot is to be drawn, and never given more to do than play can spare.

import { el } from "./dom.js";

const SOURCE = new URL("./plotly.min.js", import.meta.url).href;
const EVERY_MS = 250;
const BUDGET_MS = 30;
const AGAIN_MS = 60;
const OPTIONS = { displayModeBar: false, responsive: false, scrollZoom: false, doubleClick: false, showTips: false };

let library = null;

/** The library, once it is there; a page that shows no plot never asks for it. */
export function plotly() {
  library ??= new Promise((resolve, reject) => {
    const script = el("script", { src: SOURCE });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      library = null;
      script.remove();
      reject(new Error("the plotting library could not be fetched"));
    });
    document.head.append(script);
  });
  return library;
}

/**
 * Which of the cards that have something new is drawn next: each at most four times a second, in the order in which they
 * asked, and all of them together for no longer than a share of the time. Cards have `drawnAt` and `render()`.
 */
export class Queue {
  constructor({ now = () => performance.now(), later = (run, ms) => setTimeout(run, ms) } = {}) {
    Object.assign(this, { now, later });
    this.waiting = new Set();
    this.timed = false;
  }

  ask(card) {
    this.waiting.add(card);
    this.soon(0);
  }

  forget(card) {
    this.waiting.delete(card);
  }

  soon(ms) {
    if (this.timed) return;
    this.timed = true;
    this.later(() => {
      this.timed = false;
      this.run();
    }, ms);
  }

  run() {
    const begin = this.now();
    for (const card of [...this.waiting]) {
      if (begin - card.drawnAt < EVERY_MS) continue;
      this.waiting.delete(card);
      card.drawnAt = begin;
      card.render();
      if (this.now() - begin > BUDGET_MS) break;
    }
    if (this.waiting.size > 0) this.soon(AGAIN_MS);
  }
}

/** Draw into `element`: as Plotly.react, without buttons of its own. */
export async function drawPlot(element, { data, layout, height, width = Infinity }, room) {
  const Plotly = await plotly();
  await Plotly.react(element, data, { ...layout, width: Math.min(width, room), height }, OPTIONS);
}

/** Let go of what was drawn into `element`. */
export function erasePlot(element) {
  window.Plotly?.purge(element);
}

/** The colours of the page around `element` as plots need them. */
export function themeOf(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { dark: style.colorScheme === "dark", text: colour("--rc-text"), muted: colour("--rc-muted"), line: colour("--rc-line") };
}

/** Call `changed` whenever the page turns dark or light. */
export function whenThemed(changed) {
  new MutationObserver(changed).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
