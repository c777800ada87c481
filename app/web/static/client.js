// The canvas client as a whole: connection, picture, timeline, measures and inputs, put together.

import { readAddress, socketAddress } from "./address.js";
import { Ask } from "./ask.js";
import { Bar } from "./bar.js";
import { Connection } from "./connection.js";
import { el } from "./dom.js";
import { Errands } from "./errands.js";
import { Faults } from "./faults.js";
import { Help } from "./help.js";
import { Hud } from "./hud.js";
import { Inputs } from "./inputs.js";
import { Inspector } from "./inspector.js";
import { Listeners } from "./listeners.js";
import { Looks } from "./looks.js";
import { HEADER_BYTES, PATH, encodeAck } from "./protocol.js";
import { Picture, decodable } from "./picture.js";
import { Pilot } from "./pilot.js";
import { Present, badgeOf, overlayOf, titleOf } from "./present.js";
import { Side } from "./side.js";
import { Sight } from "./sight.js";
import { TimelineBar } from "./timeline.js";
import { Toasts } from "./toasts.js";
import { Veil } from "./veil.js";

const TICK_MS = 250;
const NARROW_PX = 700;
const CANCELLED = /^study .*: cancelled/; // the player knows: it was done by asking for something else
const TOLD_BY_VEIL = new Set(["closed", "lost", "offline"]);

/** One player's page. `root` is the element to put somewhere; it may be moved. */
export class Client {
  constructor(options = {}) {
    this.options = options;
    this.address = readAddress(location.search, location.hash);
    this.wish = this.address.hello;
    this.link = null;
    this.present = new Present();
    this.listeners = new Listeners();
    this.looks = new Looks();
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
      if (TOLD_BY_VEIL.has(error.code) || (verb === "study" && CANCELLED.test(error.message))) return;
      this.complain(error.message);
    });
    return done;
  }

  /** Listen to "status", "frame", "state", "world", "playback" ...; returns a function that stops it. */
  on(name, listener) {
    return this.listeners.on(name, listener);
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
    this.side = new Side(() => this.sight.look());
    this.faults = new Faults();
    this.stage.append(this.canvas, this.side.root, this.hud.alarms, this.veil.badge, this.veil.root);
    this.timeline = new TimelineBar((position) => this.do("go_to", { position }));
    [this.help, this.ask] = [new Help(), new Ask()];
    this.inputs = new Inputs({
      stage: this.stage,
      send: (bytes) => this.connection.send(bytes),
      obey: (command, how) => this.obey(command, how),
      active: () => this.sight.now && !this.help.open && !this.ask.open,
      pressed: (buttons) => this.hud.press(buttons),
    });
    this.bar = new Bar(this.timeline, (command, byPointer) => {
      this.obey(command);
      if (byPointer) this.stage.focus({ preventScroll: true });
    });
    this.inspector = new Inspector({
      order: (verb, args) => this.do(verb, args),
      obey: (command) => this.obey(command),
      choose: (wish) => this.pilot.beside(wish),
      last: (frames) => (this.pilot.frames = frames),
      back: () => this.stage.focus({ preventScroll: true }),
    });
    const parts = [this.hud.head, this.stage, this.bar.root, this.inputs.touch.root, this.faults.root, this.hud.panel];
    this.grid = el("div", { class: "rc-grid" }, ...parts);
    const folded = window.innerWidth < NARROW_PX ? "rc-panel-off" : "";
    const over = [this.toasts.root, this.help.root, this.ask.root];
    this.root = el("div", { class: `reverie ${folded}` }, this.grid, this.inspector.root, ...over);
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
      this.looks.hear(value);
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
    this.looks.begin();
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
    this.inspector.follow(this.present.world, state, this.pilot.wishes);
    this.faults.follow(state);
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
    this.look(header);
    this.emit("frame", header);
    this.schedule();
  }

  /** The look inside that came with the frame on the canvas; without one, what is shown belongs to another frame. */
  look(header) {
    const looks = this.looks.of(header.seq);
    if (looks === undefined) return;
    if (looks) this.inspector.take(looks);
    else this.inspector.clear();
    if (looks && header.lockstep) this.side.draw(looks);
    else this.side.off();
  }

  broken(header, error) {
    this.connection.send(encodeAck(header.seq));
    this.complain(`A picture could not be shown (${header.codec}: ${error.message})`, "picture");
  }

  complain(text, topic = "") {
    this.toasts.add(text, { kind: "error", topic });
  }

  emit(name, value) {
    this.listeners.emit(name, value);
  }

  // -- what the player does

  obey(command, how) {
    this.wake();
    return this.pilot.obey(command, how);
  }

  order(verb, args) {
    const { present } = this;
    present.ask(verb);
    if (verb === "real" && args.on === "lockstep") this.pilot.wishes = { ...args };
    const opens = verb === "world" || verb === "replay";
    if (opens) present.opening = verb === "world" ? String(args.name) : "the replay";
    if (verb === "replay") this.link = args.link;
    const sent = { start: null, seed: null, ...args };
    const given = this.connection.order(verb, verb === "world" || verb === "start" ? sent : args).then((value) => {
      if (verb === "study") this.inspector.answered(value?.views ?? []);
      return value;
    });
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
    this.root.dataset.place = present.place;
    this.root.dataset.overlay = overlay?.kind ?? "";
    this.bar.paused(present.paused);
    this.inputs.touch.paused(present.paused);
  }
}
