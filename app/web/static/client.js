// The canvas client as a whole: connection, picture, timeline, measures and inputs, put together.

import { readAddress, socketAddress } from "./address.js";
import { Bar } from "./bar.js";
import { Connection } from "./connection.js";
import { el } from "./dom.js";
import { Errands } from "./errands.js";
import { Help } from "./help.js";
import { Hud } from "./hud.js";
import { Inputs } from "./inputs.js";
import { Inspector } from "./inspector.js";
import { HEADER_BYTES, PATH, encodeAck } from "./protocol.js";
import { Picture, decodable } from "./picture.js";
import { Pilot } from "./pilot.js";
import { Present, badgeOf, overlayOf, titleOf } from "./present.js";
import { Sight } from "./sight.js";
import { TimelineBar } from "./timeline.js";
import { Toasts } from "./toasts.js";
import { Veil } from "./veil.js";

const TICK_MS = 250;
const NARROW_PX = 700;
const TOLD_BY_VEIL = new Set(["closed", "lost", "offline"]);
const REMEMBERED = new Set(["status", "welcome", "world", "state", "frame", "playback"]);

/** One player's page. `root` is the element to put somewhere; it may be moved. */
export class Client {
  constructor(options = {}) {
    this.options = options;
    this.address = readAddress(location.search, location.hash);
    this.wish = this.address.hello;
    this.link = null;
    this.present = new Present();
    this.listeners = new Map();
    this.told = new Map();
    this.toasts = new Toasts();
    this.errands = new Errands(this);
    this.pilot = new Pilot({
      present: this.present,
      order: (verb, args) => this.do(verb, args),
      page: this.errands.commands,
      note: (text, topic) => this.toasts.add(text, { topic }),
    });
    this.build();
    this.sight = new Sight(this);
    this.connection = new Connection({
      url: options.url ?? socketAddress(location, PATH),
      hello: () => ({ ...this.wish, pictures: this.pictures }),
      tell: (name, value) => this.hear(name, value),
    });
    this.listen();
  }

  async start() {
    this.pictures = await decodable();
    this.connection.open();
    setInterval(() => this.schedule(), TICK_MS);
  }

  // -- for programs

  /** Give an order, or one of the page's own (fullscreen, help, panel, screenshot, upload). Errors are shown, too. */
  do(verb, args = {}) {
    const own = this.errands.orders[verb];
    const done = own ? Promise.resolve().then(() => own(args)) : this.order(verb, args);
    done.catch((error) => {
      if (!TOLD_BY_VEIL.has(error.code)) this.complain(error.message);
    });
    return done;
  }

  /** Listen to "status", "frame", "state", "world", "playback" ...; returns a function that stops it. */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    if (REMEMBERED.has(name) && this.told.has(name)) listener(this.told.get(name));
    return () => this.listeners.get(name).delete(listener);
  }

  // -- building

  build() {
    const names = { role: "img", "aria-label": "The game's picture" };
    this.canvas = el("canvas", { id: "reverie-canvas", width: 64, height: 64, ...names });
    this.picture = new Picture(this.canvas, {
      drawn: (header) => this.drawn(header),
      broken: (header, error) => this.broken(header, error),
    });
    this.veil = new Veil((command) => this.pilot.obey(command));
    this.stage = el("div", { class: "rc-stage", tabindex: "0", role: "application", "aria-label": "The game" });
    this.hud = new Hud();
    this.stage.append(this.canvas, this.hud.alarms, this.veil.badge, this.veil.root);
    this.timeline = new TimelineBar((position) => this.do("go_to", { position }));
    this.help = new Help();
    this.inputs = new Inputs({
      stage: this.stage,
      send: (bytes) => this.connection.send(bytes),
      obey: (command, how) => this.obey(command, how),
      active: () => this.sight.now && !this.help.open,
      pressed: (buttons) => this.hud.press(buttons),
    });
    this.bar = new Bar(this.timeline, (command, byPointer) => {
      this.obey(command);
      if (byPointer) this.stage.focus({ preventScroll: true });
    });
    this.inspector = new Inspector({
      order: (verb, args) => this.do(verb, args),
      obey: (command) => this.obey(command),
      back: () => this.stage.focus({ preventScroll: true }),
    });
    const parts = [this.hud.head, this.stage, this.bar.root, this.inputs.touch.root, this.hud.panel];
    this.grid = el("div", { class: "rc-grid" }, ...parts);
    const folded = window.innerWidth < NARROW_PX ? "rc-panel-off" : "";
    this.root = el("div", { class: `reverie ${folded}` }, this.grid, this.inspector.root, this.toasts.root, this.help.root);
  }

  listen() {
    const stage = this.stage;
    stage.addEventListener("pointerdown", (event) => {
      if (!event.target.closest("button")) stage.focus({ preventScroll: true });
      this.wake();
    });
    document.addEventListener("keydown", () => this.wake());
    window.addEventListener("pagehide", () => this.connection.close());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.connection.open();
    });
    this.address.problems.forEach((problem) => this.complain(problem));
  }

  // -- from the server

  hear(name, value) {
    const { present } = this;
    if (name === "frame") {
      present.hear(value.header);
      this.picture.show({ ...value.header, bytes: value.picture.byteLength + HEADER_BYTES }, value.picture);
      return;
    }
    if (name === "views") {
      this.inspector.hear(value);
      return;
    }
    if (name === "status") this.become(value);
    else if (name === "welcome") this.welcome(value);
    else if (name === "world") this.enter(value);
    else if (name === "state") this.follow(value);
    else if (name === "playback") present.playback = value;
    else if (name === "round_trip") this.hud.round_trip = value;
    else if (name === "gone") this.complain("The session was gone: a new one began");
    else if (name === "error" && !value.fatal && value.code !== "idle") this.complain(value.message);
    this.emit(name, value);
    this.schedule();
  }

  become(status) {
    this.root.dataset.status = status;
    if (status === "open") return;
    this.present.frame = null;
    this.picture.forget();
    this.inputs.forget();
    this.sight.visible = null;
  }

  welcome(fields) {
    this.present.begin(fields);
    if (fields.world) {
      this.enter(fields.world);
      this.emit("world", fields.world);
    }
    this.link = this.wish.replay ?? this.link;
    this.wish = { ...this.wish, start: null, seed: null, replay: null };
    const orders = fields.resumed ? [] : this.address.orders;
    this.address.orders = [];
    for (const [verb, args] of orders) this.do(verb, args);
    this.sight.look();
  }

  enter(world) {
    const { present } = this;
    present.world = world;
    present.playback = null;
    this.wish.world = world.name;
    this.hud.clear();
    this.hud.world(world);
    this.inputs.take(world);
    this.inspector.begin();
    this.timeline.world(world.fps, Math.ceil((present.welcome?.limits?.rewind_s ?? 30) * world.fps) + 1);
    this.canvas.setAttribute("aria-label", `The picture of ${titleOf(world)}`);
    this.stage.setAttribute("aria-label", `Play ${titleOf(world)}; H shows the keys`);
    if (world.width && !present.frame) this.picture.size = { width: world.width, height: world.height };
    this.sight.look();
  }

  follow(state) {
    this.present.takeState(state, performance.now());
    this.canvas.dataset.paused = String(this.present.paused);
    this.timeline.tell(state.marks ?? []);
    this.inspector.follow(state);
    if (!this.present.frame) this.timeline.move(this.present.line);
  }

  drawn(header) {
    const now = performance.now();
    this.connection.send(encodeAck(header.seq));
    const before = this.present.frame;
    this.present.take(header);
    this.hud.take(header, now, header.bytes, before);
    if (!before || before.width !== header.width || before.height !== header.height) this.sight.look();
    this.timeline.move(this.present.line);
    this.inspector.show(header.seq);
    this.emit("frame", header);
    this.schedule();
  }

  broken(header, error) {
    this.connection.send(encodeAck(header.seq));
    this.complain(`A picture could not be shown (${header.codec}: ${error.message})`, "picture");
  }

  complain(text, topic = "") {
    this.toasts.add(text, { kind: "error", topic });
  }

  emit(name, value) {
    if (REMEMBERED.has(name)) this.told.set(name, value);
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        listener(value);
      } catch (error) {
        console.error(`a listener to ${name} failed`, error);
      }
    }
  }

  // -- what the player does

  obey(command, how) {
    this.wake();
    return this.pilot.obey(command, how);
  }

  order(verb, args) {
    const { present } = this;
    present.ask(verb);
    const opens = verb === "world" || verb === "replay";
    if (opens) present.opening = verb === "world" ? String(args.name) : "the replay";
    if (verb === "replay") this.link = args.link;
    const sent = { start: null, seed: null, ...args };
    const given = this.connection.order(verb, verb === "world" || verb === "start" ? sent : args);
    return given.finally(() => {
      if (opens) present.opening = null;
      this.schedule();
    });
  }

  /** A player is here again. */
  wake() {
    if (this.present.asleep.includes("idle")) this.connection.order("visible", { on: true }).catch(() => {});
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw(performance.now());
    });
  }

  draw(now) {
    const { present, connection } = this;
    const overlay = overlayOf(present, connection, now);
    this.veil.draw(overlay, badgeOf(present, present.world?.fps));
    this.hud.draw(present, now);
    this.root.dataset.mode = present.mode;
    this.root.dataset.overlay = overlay?.kind ?? "";
    this.bar.paused(present.paused);
    this.inputs.touch.paused(present.paused);
  }
}
