// What stands beside the picture: the return, who plays, and how well it runs, with the latest values as lines.

import { el, say, svg } from "./dom.js";
import { capOf } from "./keys.js";
import { buttonLines } from "./layout.js";
import { Rate, Series, shown, signed } from "./measures.js";
import { titleOf, whoIs } from "./present.js";

const EVERY_MS = 200;
const GLOW_MS = 1400;
const LATE_MS = 1500;
const SKIPPED = 0.2; // share of the frames, over which it is told
const MODES = { playing: "Playing", paused: "Paused", rewinding: "Rewinding", replaying: "Replay", ended: "Ended" };

/** One measure: its name, its value in words, and a line of its latest values. */
class Spark {
  constructor(label, hint) {
    this.value = el("span", { class: "rc-value" });
    this.path = svg("polyline", { class: "rc-line" });
    this.goal = svg("line", { class: "rc-goal", x1: 0, x2: 100 });
    this.drawing = svg("svg", { viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.drawing.append(this.goal, this.path);
    const names = el("div", { class: "rc-row" }, el("span", { class: "rc-label" }, label), this.value);
    this.root = el("div", { class: "rc-spark", title: hint }, names, this.drawing);
  }

  /** values: oldest first; goal: the value meant, drawn as a dashed line in the middle. */
  draw(text, values, goal) {
    say(this.value, text);
    const top = Number.isFinite(goal) && goal > 0 ? Math.max(2 * goal, ...values) : Math.max(...values, 1e-9) * 1.15;
    const y = (value) => (23 - (22 * Math.min(value, top)) / top).toFixed(1);
    const step = 100 / Math.max(values.length - 1, 1);
    this.path.setAttribute("points", values.map((value, k) => `${(k * step).toFixed(1)},${y(value)}`).join(" "));
    this.goal.setAttribute("visibility", Number.isFinite(goal) ? "visible" : "hidden");
    if (Number.isFinite(goal)) for (const end of ["y1", "y2"]) this.goal.setAttribute(end, y(goal));
  }
}

/** Measures of frames as they are drawn, and the elements that show them: `head`, `panel` and `alarms`. */
export class Hud {
  constructor() {
    this.rate = new Rate();
    this.series = { fps: new Series(), model: new Series(), input: new Series() };
    this.bytes = new Series(60);
    this.round_trip = NaN;
    this.drawnAt = 0;
    this.reward = { value: 0, at: -Infinity };
    this.late = -Infinity;
    this.dropped = new Series(30);
    this.buildHead();
    this.buildPanel();
  }

  buildHead() {
    this.title = el("div", { class: "rc-title" });
    this.where = el("div", { class: "rc-where" });
    this.mode = el("span", { class: "rc-mode" });
    this.who = el("span", { class: "rc-who" });
    this.total = el("span", { class: "rc-total" }, "0");
    this.gain = el("span", { class: "rc-gain" });
    this.frame = el("span", { class: "rc-frame" });
    this.brief = el("span", { class: "rc-brief" });
    const names = el("div", { class: "rc-names" }, this.title, this.where);
    const status = el("div", { class: "rc-status" }, this.mode, this.who);
    const label = el("div", { class: "rc-row" }, el("span", { class: "rc-label" }, "Return"), this.frame);
    const score = el("div", { class: "rc-score" }, label, el("div", { class: "rc-sum" }, this.total, this.gain));
    this.head = el("div", { class: "rc-head" }, names, status, score, this.brief);
  }

  buildPanel() {
    this.sparks = {
      fps: new Spark("Frames", "Pictures drawn a second; dashed: what the game asks for"),
      model: new Spark("Model", "Time of one step of the world; dashed: the time between two frames"),
      input: new Spark("Key to picture", "Until a picture answers a key: half are faster (p50), 95 of 100 (p95)"),
    };
    this.alarms = el("div", { class: "rc-alarms" });
    this.rows = el("dl", { class: "rc-rows" });
    this.legend = el("div", { class: "rc-legend" });
    this.panel = el("div", { class: "rc-panel" }, ...Object.values(this.sparks).map((spark) => spark.root));
    this.panel.append(this.rows, this.legend);
  }

  /** A frame is on the canvas: `now` in ms of the client's clock, `bytes` its message. */
  take(header, now, bytes, before) {
    const still = header.paused || header.rewinding || before?.paused || before?.rewinding;
    if (still) {
      this.rate.clear();
    } else {
      this.rate.tick(now);
      this.series.fps.add(this.rate.hz);
      this.series.model.add(header.model_ms);
    }
    if (header.echo !== null) this.series.input.add(now - header.echo);
    this.bytes.add(bytes);
    if (header.late) this.late = now;
    this.dropped.add(header.dropped && !still ? 1 : 0);
    const follows = before && header.index === before.index + 1;
    if (header.reward && follows) this.reward = { value: header.reward, at: now };
  }

  /** Another world or connection: nothing measured counts any more. */
  clear() {
    for (const one of [...Object.values(this.series), this.rate, this.bytes, this.dropped]) one.clear();
    this.late = -Infinity;
  }

  /** Numbers for programs. */
  measures() {
    const { fps, model, input } = this.series;
    return {
      fps: fps.last, model_ms: model.percentile(0.5), input_p50_ms: input.percentile(0.5),
      input_p95_ms: input.percentile(0.95), inputs: input.values.length, round_trip_ms: this.round_trip,
    };
  }

  /** The keys of a world, or its touch buttons' names. */
  world(world) {
    const lines = buttonLines(world).map(({ index, keys, label }) => {
      const caps = keys.map((key) => el("kbd", {}, capOf(key)));
      return el("div", { class: "rc-key", "data-button": index }, el("span", {}, ...caps), el("span", {}, label));
    });
    this.legend.replaceChildren(...lines);
  }

  /** Which buttons are held. */
  press(buttons) {
    for (const line of this.legend.children) {
      line.classList.toggle("rc-down", buttons.includes(Number(line.dataset.button)));
    }
  }

  draw(present, now) {
    this.drawHead(present, now);
    if (now - this.drawnAt < EVERY_MS) return;
    this.drawnAt = now;
    this.drawSparks(present);
    this.drawRows(present, now);
  }

  drawHead(present, now) {
    const { world, frame, mode } = present;
    say(this.title, titleOf(world) || "Reverie");
    say(this.where, whereOf(present));
    this.where.classList.toggle("rc-real", present.place !== "dream");
    const speed = frame?.speed ?? 1;
    this.mode.dataset.mode = mode;
    say(this.mode, mode === "playing" && speed !== 1 ? `Playing ${+speed.toFixed(2)}×` : MODES[mode]);
    say(this.who, whoIs(present.controller));
    const ending = frame?.terminated ? "ended" : frame?.truncated ? "horizon reached" : `frame ${frame?.index ?? 0}`;
    say(this.frame, ending);
    say(this.total, signed(frame?.total ?? 0));
    const glows = now - this.reward.at < GLOW_MS;
    say(this.gain, glows ? signed(this.reward.value) : "");
    this.gain.classList.toggle("rc-loss", this.reward.value < 0);
  }

  drawSparks(present) {
    const { fps, model, input } = this.series;
    const asked = (present.world?.fps ?? NaN) * (present.frame?.speed ?? 1);
    const text = `${shown(fps.last, 1)} / ${+asked.toFixed(1)}`;
    this.sparks.fps.draw(Number.isFinite(asked) ? text : shown(fps.last, 1), fps.values, asked);
    this.sparks.model.draw(shown(model.percentile(0.5), 1, " ms"), model.values, 1000 / asked);
    const [p50, p95] = [input.percentile(0.5), input.percentile(0.95)];
    const waits = Number.isFinite(p50) ? `p50 ${shown(p50)} · p95 ${shown(p95)} ms` : "–";
    this.sparks.input.draw(waits, input.values, NaN);
    const wait = Number.isFinite(p50) ? ` · key to picture ${shown(p50)} ms` : "";
    const slow = performance.now() - this.late < LATE_MS && !present.paused ? " · ⚠ slower than the game" : "";
    say(this.brief, `${shown(fps.last, 1)} fps${wait}${slow}`);
  }

  drawRows(present, now) {
    const pairs = this.facts(present);
    const text = pairs.flat().join("|");
    if (text !== this.rowsText) {
      this.rowsText = text;
      const lines = pairs.map(([name, value]) => [el("dt", {}, name), el("dd", { title: value }, value)]);
      this.rows.replaceChildren(...lines.flat());
    }
    const alarms = this.warnings(present, now);
    if (alarms.join() !== this.alarms.dataset.text) {
      this.alarms.dataset.text = alarms.join();
      this.alarms.replaceChildren(...alarms.map((alarm) => el("div", { class: "rc-alarm" }, `⚠ ${alarm}`)));
    }
  }

  /** What is in force, and what the latest frames cost; as many lines at any time, so that nothing jumps. */
  facts({ frame, state, world }) {
    const steps = state?.settings?.steps;
    const starts = world?.starts;
    const batch = frame?.batch > 0 ? `${frame.batch}, waited ${shown(frame.queue_ms, 1)} ms` : "–";
    const sampler = Number.isInteger(steps) ? [["Sampler", `${steps} ${steps === 1 ? "step" : "steps"}`]] : [];
    const hot = state?.settings?.temperature;
    const temperature = typeof hot === "number" ? [["Temperature", String(Number(hot.toFixed(2)))]] : [];
    return [
      ...actionRows(world, state),
      ...sampler,
      ...temperature,
      ["Horizon", state?.horizon ? `${state.horizon} frames` : "off"],
      ["Start", state ? `${state.start + 1}${starts ? ` of ${starts}` : ""}` : "–"],
      ["Seed", state ? String(state.seed) : "–"],
      ["Branch", `${(state?.branch ?? 0) + 1} of ${state?.branches ?? 1}`],
      ["Batch", batch],
      ["Picture", frame ? `${frame.codec}, ${shown(this.bytes.percentile(0.5) / 1024, 1)} KiB` : "–"],
      ["Encoding", shown(frame?.encode_ms, 1, " ms")],
      ["Round trip", shown(this.round_trip, 1, " ms")],
    ];
  }

  warnings({ paused, state }, now) {
    const alarms = [];
    const help = (state?.settings?.steps ?? 1) > 1 ? ": fewer sampler steps help" : "";
    if (now - this.late < LATE_MS && !paused) alarms.push(`Slower than the game${help}`);
    if (this.dropped.percentile(1 - SKIPPED) > 0) alarms.push("Frames skipped: the connection is slow");
    return alarms;
  }
}

/** Where it is played, in words. */
function whereOf({ place, world, state }) {
  if (place === "grounded") return "the dream beside the real game";
  if (place === "real") return "the real game";
  if (place === "dream") return world ? `dream · ${world.family ?? ""}` : "";
  const other = state?.against ? titleOf({ name: state.against }) : "";
  if (state?.episode) return `lockstep under the episode ${state.episode}${other ? `, two dreams (${other})` : ""}`;
  if (!world?.real) return `lockstep with ${other}`;
  return other ? `lockstep: the real game, two dreams (${other})` : "lockstep with the real game";
}

/** The action done last, a row for each of its components, where they are numbers. */
function actionRows(world, state) {
  const axes = world?.axes ?? [];
  const action = state?.action;
  if (!Array.isArray(action) || action.length !== axes.length) return [];
  return axes.map(({ name }, k) => [titleOf({ name }), `${action[k] < 0 ? "−" : ""}${Math.abs(action[k]).toFixed(2)}`]);
}
