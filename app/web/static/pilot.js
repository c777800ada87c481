// What the player asks of the page becomes orders to the server.

import { lastEdit } from "./views.js";

const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8];
const HORIZONS = [15, 50, 100, 250, 500, 1000, 2500];
const CLIP_S = 30;
const PLAYERS = {
  human: "You play",
  agent: "The agent plays",
  random: "Chance plays",
  again: "This episode again, from its start",
  real: "The real game: you play",
  grounded: "The dream, told what the real game does: you play",
};
const HOTTEST = 2;
const WARMER = 0.1;

/** The speed `change` places after the one nearest to `now`. */
export function nextSpeed(now, change) {
  const away = SPEEDS.map((speed) => Math.abs(speed - now));
  const place = away.indexOf(Math.min(...away)) + change;
  return SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)];
}

/** The next longer or shorter horizon in frames; null: none. */
export function nextHorizon(now, change) {
  if (change > 0) return now === null ? null : (HORIZONS.find((frames) => frames > now) ?? null);
  return [...HORIZONS].reverse().find((frames) => now === null || frames < now) ?? HORIZONS[0];
}

/**
 * Who plays after `now`, of those the world offers: "real" for the real game, "grounded" for the dream that is told its
 * frames; "again" once something was played.
 */
export function nextPlayer(now, world, played) {
  const offered = world.controllers ?? [];
  const order = ["human", "agent", "random", "again", "real", "grounded"].filter((name) => {
    if (name === "human") return true;
    if (name === "real" || name === "grounded") return Boolean(world[name]);
    if (name === "again") return played;
    return offered.includes(name);
  });
  const place = order.indexOf(now === "replay" ? "again" : now);
  return order[(place + 1) % order.length];
}

/**
 * Carries out commands by name. order(verb, args): as Connection.order, with errors shown; page: what only the page
 * itself can do, by command; note(text, topic): a short message.
 */
export class Pilot {
  constructor({ present, order, page, note, random = () => crypto.getRandomValues(new Uint32Array(1))[0] }) {
    Object.assign(this, { present, order, page, note, random });
    this.rewinding = false;
  }

  /** One command; `number`: a slot. `down` false: a held one ended. */
  obey(command, { number = 0, down = true } = {}) {
    if (command === "rewind") return this.rewind(down);
    if (!down) return undefined;
    if (this.page[command]) return this.page[command]();
    return this[command]?.(number);
  }

  pause() {
    this.present.paused = !this.present.paused;
    return this.order(this.present.paused ? "pause" : "resume");
  }

  step() {
    return this.order("step");
  }

  slower() {
    return this.speed(nextSpeed(this.speedNow, -1));
  }

  faster() {
    return this.speed(nextSpeed(this.speedNow, 1));
  }

  normal_speed() {
    return this.speed(1);
  }

  rewind(hold) {
    if (hold === this.rewinding) return undefined;
    this.rewinding = hold;
    return this.order("rewind", { hold });
  }

  /** Forward by a fifth of a second over what was rewound. */
  forward() {
    return this.order("scrub", { frames: this.second(0.2) });
  }

  /** Back by a second. */
  back() {
    return this.order("scrub", { frames: -this.second(1) });
  }

  new_start() {
    return this.begin(null, null);
  }

  seed() {
    return this.begin(this.present.state?.start ?? null, this.random());
  }

  fork() {
    return this.order("fork").then((branch) => this.note(`Forked: this is branch ${branchNumber(branch)}`, "branch"));
  }

  branch() {
    const { branch = 0, branches = 1 } = this.present.state ?? {};
    if (branches < 2) {
      this.note("There is one branch only; F makes another", "branch");
      return undefined;
    }
    const index = (branch + 1) % branches;
    this.note(`Branch ${index + 1} of ${branches}`, "branch");
    return this.order("branch", { index });
  }

  controller() {
    const { present } = this;
    const now = present.grounded ? "grounded" : present.real ? "real" : present.controller;
    return this.player(nextPlayer(now, present.world, (present.frame?.index ?? 0) > 0));
  }

  /** Let `name` play: a controller, or "real" for a person in the real game, "grounded" for one with the dream beside. */
  player(name) {
    this.note(PLAYERS[name], "controller");
    if (name === "real" || name === "grounded") {
      const human = this.present.controller === "human" ? null : this.order("controller", { name: "human" });
      return Promise.all([human, this.order("real", { on: name === "real" ? true : name })]);
    }
    const dream = this.present.real || this.present.grounded ? this.order("real", { on: false }) : null;
    return Promise.all([dream, this.order("controller", { name })]);
  }

  fewer_steps() {
    return this.sampler(-1);
  }

  more_steps() {
    return this.sampler(1);
  }

  cooler() {
    return this.temperature(-WARMER);
  }

  hotter() {
    return this.temperature(WARMER);
  }

  /** To the moment before the last edit. */
  undo() {
    const place = lastEdit(this.present.state);
    if (place === null) {
      this.note("There is no edit to take back", "edit");
      return undefined;
    }
    this.note("The edit is taken back", "edit");
    return this.order("go_to", { position: Math.max(0, place - 1) });
  }

  shorter() {
    return this.horizon(-1);
  }

  longer() {
    return this.horizon(1);
  }

  load(slot) {
    if (!this.present.state?.slots?.map(String).includes(String(slot))) {
      this.note(`Slot ${slot} is empty; Shift+${slot} saves to it`, "slot");
      return undefined;
    }
    return this.order("load", { slot }).then(() => this.note(`Loaded slot ${slot}; Backspace leads back`, "slot"));
  }

  save(slot) {
    return this.order("save", { slot }).then(() => this.note(`Saved to slot ${slot}`, "slot"));
  }

  clip() {
    return this.order("record", { format: "mp4", seconds: this.clipSeconds });
  }

  gif() {
    return this.order("record", { format: "gif", seconds: this.clipSeconds });
  }

  link() {
    return this.order("link");
  }

  // -- inside

  get speedNow() {
    return this.present.state?.speed ?? this.present.frame?.speed ?? 1;
  }

  get clipSeconds() {
    return Math.min(CLIP_S, this.present.welcome?.limits?.clip_s ?? CLIP_S);
  }

  second(share) {
    return Math.max(1, Math.round((this.present.world?.fps ?? 15) * share));
  }

  speed(factor) {
    this.note(`Speed ${factor}×`, "speed");
    return this.order("speed", { factor });
  }

  begin(start, seed) {
    return this.order("start", { start, seed });
  }

  sampler(change) {
    const steps = this.present.state?.settings?.steps;
    if (!Number.isInteger(steps)) {
      this.note("This world has no sampler steps to change", "sampler");
      return undefined;
    }
    const wanted = Math.max(1, steps + change);
    this.note(`Sampler: ${wanted} ${wanted === 1 ? "step" : "steps"}`, "sampler");
    return this.order("settings", { changes: { steps: wanted } });
  }

  temperature(change) {
    const now = this.present.state?.settings?.temperature;
    if (typeof now !== "number") {
      this.note("This world has no temperature", "temperature");
      return undefined;
    }
    const wanted = Number(Math.min(HOTTEST, Math.max(0, now + change)).toFixed(2));
    this.note(`Temperature ${wanted}`, "temperature");
    return this.order("settings", { changes: { temperature: wanted } });
  }

  horizon(change) {
    const frames = nextHorizon(this.present.state?.horizon ?? null, change);
    this.note(frames ? `Horizon: ${frames} frames` : "Horizon: off", "horizon");
    return this.order("horizon", { frames });
  }
}

/** The branch to read in a fork's reply: its index, or an object with it. */
function branchNumber(reply) {
  return (typeof reply === "number" ? reply : (reply?.branch ?? 0)) + 1;
}
