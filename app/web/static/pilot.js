// What the player asks of the page becomes orders to the server.

import { nextHorizon, nextPlayer, nextSpeed } from "./choices.js";
import { ORDERED, PLACES, besideOf, nextPlace } from "./places.js";
import { lastEdit } from "./views.js";

const CLIP_S = 30;
const PLAYERS = {
  human: "You play",
  agent: "The agent plays",
  random: "Chance plays",
  again: "This episode again, from its start",
};
const HOTTEST = 2;
const WARMER = 0.1;

/**
 * Carries out commands by name. order(verb, args): as Connection.order, with errors shown; page: what only the page
 * itself can do, by command; note(text, topic): a short message.
 */
export class Pilot {
  constructor({ present, order, page, note, random = () => crypto.getRandomValues(new Uint32Array(1))[0] }) {
    Object.assign(this, { present, order, page, note, random });
    this.rewinding = false;
    this.wishes = { against: null, episode: null };
    this.frames = null;
  }

  /** One command; `number`: a slot; `choice`: one of the things to choose from. `down` false: a held one ended. */
  obey(command, { number = 0, choice = null, down = true } = {}) {
    if (command === "rewind") return this.rewind(down);
    if (!down) return undefined;
    if (this.page[command]) return this.page[command]();
    return this[command]?.(choice ?? number);
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
    const name = nextPlayer(present.controller, present.world, (present.frame?.index ?? 0) > 0);
    this.note(PLAYERS[name], "controller");
    return this.order("controller", { name });
  }

  /** Play at the place that was chosen, or the next one. */
  place(chosen) {
    const { present } = this;
    if (typeof chosen === "string") return this.go(chosen);
    const place = nextPlace(present.place, present.world);
    if (place === present.place) {
      this.note("There is only the dream here", "place");
      return undefined;
    }
    return this.go(place);
  }

  /** Play at `place`, one of `placesOf`. */
  go(place) {
    this.note(PLACES[place], "place");
    if (place !== "lockstep") return this.order("real", { on: ORDERED[place] });
    return this.order("real", { on: "lockstep", ...besideOf(this.wishes, this.present.world) });
  }

  /** Into lockstep, or back to the dream. */
  lockstep() {
    const { present } = this;
    if (present.lockstep) return this.go("dream");
    if (!present.world?.lockstep) {
      this.note("Neither the real game nor another such world is here to stand beside this one", "place");
      return undefined;
    }
    return this.go("lockstep");
  }

  /** `{against}` or `{episode}`: what is to stand beside, null: none. In lockstep at once, else when it begins. */
  beside(wish) {
    Object.assign(this.wishes, wish);
    return this.present.lockstep ? this.go("lockstep") : undefined;
  }

  /** The dream begins again from what is real. */
  anchor() {
    if (!this.present.lockstep) {
      this.note("T first: in lockstep there is something to anchor to", "place");
      return undefined;
    }
    this.note("Anchored to reality", "anchor");
    return this.order("anchor");
  }

  every_action() {
    return this.study("every_action", { frames: this.frames });
  }

  unsure() {
    return this.study("unsure");
  }

  seeds() {
    return this.study("seeds", { frames: this.frames });
  }

  check() {
    if (!this.present.lockstep) {
      this.note("T first: in lockstep there is a reality to check the dream against", "place");
      return undefined;
    }
    return this.study("check");
  }

  /** Ask a question of the present moment; its answer is seen inside. args: as of the order. */
  study(what, args = {}) {
    this.page.see_inside?.();
    return this.order("study", { what, ...args });
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
