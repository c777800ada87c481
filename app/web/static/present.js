// What the page knows of its session just now, and what follows from it for the eye.

import { signed } from "./measures.js";

const WAKING_MS = 800;
const MOVES = new Set(["step", "rewind", "scrub", "go_to", "load", "fork", "branch", "start", "real", "edit", "anchor"]);
const WHO = { human: "You", agent: "Agent", random: "Chance", replay: "Replay", again: "Again", real: "Real game" };

/** A world's name to read: ms_pacman becomes Ms Pacman. */
export function titleOf(world) {
  if (!world) return "";
  if (world.title) return world.title;
  return world.name.replace(/[_-]/g, " ").replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
}

/** A controller's name to read. */
export const whoIs = (name) => WHO[name] ?? (name ? name[0].toUpperCase() + name.slice(1) : "");

/** The newest of all that the server told. world, state: fields of those events; frame: the header drawn last. */
export class Present {
  constructor() {
    this.welcome = this.world = this.state = this.frame = this.playback = null;
    this.paused = this.rewinding = this.replaying = false;
    this.asleep = [];
    this.asleepSince = 0;
    this.opening = null;
  }

  /** The player gives an order: who goes elsewhere wants to see it, not how a replay went. */
  ask(verb) {
    if (MOVES.has(verb)) this.playback = null;
  }

  /** A frame came; it is not drawn yet. */
  hear(frame) {
    this.paused = frame.paused;
    this.rewinding = frame.rewinding;
    this.replaying = frame.replaying;
    if (!frame.paused || frame.replaying) this.playback = null;
  }

  /** That frame is on the canvas. */
  take(frame) {
    this.frame = frame;
  }

  /** now: ms, for how long the session has been asleep. */
  takeState(state, now) {
    this.state = state;
    this.paused = Boolean(state.paused);
    this.replaying = Boolean(state.replaying);
    const asleep = state.asleep ?? (state.suspended ? ["hidden"] : []);
    if (asleep.length && !this.asleep.length) this.asleepSince = now;
    this.asleep = asleep;
    if (this.replaying) this.playback = null;
  }

  /** A connection began: nothing is known of what was sent on the one before. */
  begin(welcome) {
    this.welcome = welcome;
    this.world = welcome.world ?? this.world;
    this.asleep = [];
    this.rewinding = false;
    this.opening = null;
  }

  get real() {
    return Boolean(this.frame?.real ?? this.state?.real);
  }

  /** Whether it is the dream that is told every frame of the real game. */
  get grounded() {
    return Boolean(this.frame?.grounded ?? this.state?.grounded);
  }

  /** Whether what is real and what is dreamt are played side by side. */
  get lockstep() {
    return Boolean(this.frame?.lockstep ?? this.state?.lockstep);
  }

  /** Where it is played: "dream", "real", "grounded" or "lockstep". */
  get place() {
    if (this.lockstep) return "lockstep";
    if (this.grounded) return "grounded";
    return this.real ? "real" : "dream";
  }

  get over() {
    return Boolean(this.frame && (this.frame.terminated || this.frame.truncated));
  }

  get controller() {
    return this.replaying ? "replay" : (this.state?.controller ?? "human");
  }

  /** "playing", "replaying", "rewinding", "ended" or "paused". */
  get mode() {
    if (this.rewinding) return "rewinding";
    if (this.paused) return this.over ? "ended" : "paused";
    return this.replaying ? "replaying" : "playing";
  }

  /** How many frames the timeline has and where play stands: as the newest frame says, else the state. */
  get line() {
    const from = this.frame ?? this.state;
    return { length: from?.length ?? 0, cursor: from?.cursor ?? 0, index: from?.index ?? 0 };
  }
}

/**
 * What lies over the picture: null, or `{kind, title, text, actions}` with actions as `{label, command, key}`.
 * link: the Connection's {status, error, retryAt}; now: ms of the same clock.
 */
export function overlayOf(present, link, now) {
  if (link.status === "failed") return failed(link.error);
  if (link.status === "waiting") {
    const wait = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
    const text = wait > 0 ? `Trying again in ${wait} s.` : "Trying again …";
    return { kind: "lost", title: "No connection", text, actions: [{ label: "Try now", command: "reconnect" }] };
  }
  if (link.status !== "open" || present.opening || !present.frame) {
    const name = present.opening ?? titleOf(present.world);
    return { kind: "opening", title: "Reverie", text: name ? `opening ${name}` : "opening", actions: [] };
  }
  if (present.asleep.length && now - present.asleepSince > WAKING_MS) {
    const text = present.asleep.includes("idle") ? "Nobody has played for a while." : "This page was out of sight.";
    return { kind: "idle", title: "Asleep", text, actions: [{ label: "Go on", command: "wake" }] };
  }
  if (present.playback && present.paused) return replayed(present.playback);
  return present.mode === "ended" ? ended(present.frame) : null;
}

function failed(error) {
  const titles = { full: "All places are taken", version: "The page is out of date", bye: "Played elsewhere" };
  const reload = error?.code === "version" || error?.code === "token";
  const action = reload ? { label: "Reload", command: "reload" } : { label: "Try again", command: "reconnect" };
  return { kind: "failed", title: titles[error?.code] ?? "It stopped", text: error?.message ?? "", actions: [action] };
}

/** The end of a replay. same: whether every frame was the recorded one; null where that is not known. */
function replayed({ frames, different = 0, complete = true, same = null }) {
  let text = complete ? `${frames} frames.` : `${frames} frames, not to its end.`;
  if (different > 0) text = `${different} of its ${frames} frames are not as they were recorded.`;
  else if (same === false) text = "Not every frame is as it was recorded.";
  else if (same) text = `Every one of its ${frames} frames is as it was recorded.`;
  const actions = [{ label: "Play on", command: "pause", key: "p" }, { label: "Watch again", command: "watch" }];
  return { kind: "replayed", title: "The replay is over", text, actions };
}

function ended(frame) {
  const title = frame.truncated && !frame.terminated ? "The horizon is reached" : "The episode has ended";
  const actions = [
    { label: "Next start", command: "new_start", key: "return" },
    { label: "Rewind", command: "back", key: "backspace" },
  ];
  return { kind: "ended", title, text: `return ${signed(frame.total)}`, actions };
}

/** The small badge on the picture, or "": `{mode, text}`. fps: the game's own frames a second. */
export function badgeOf(present, fps) {
  const { length, cursor } = present.line;
  const behind = (length - 1 - cursor) / (fps || 1);
  if (present.mode === "rewinding") return { mode: "rewinding", text: `Rewound ${behind.toFixed(1)} s` };
  if (present.mode === "paused") {
    return { mode: "paused", text: behind > 0 ? `Paused · ${behind.toFixed(1)} s back` : "Paused" };
  }
  if (present.mode === "replaying") return { mode: "replaying", text: "Replay" };
  return null;
}
