// The workbench's tools: what can be asked of the present moment, and which world stands beside.

import { el, say } from "./dom.js";
import { capOf } from "./keys.js";
import { besideOf } from "./places.js";
import { titleOf } from "./present.js";

const TOOLS = [
  { command: "lockstep", key: "t", label: "Lockstep", hint: "Real game and dream side by side, under the same actions" },
  { command: "anchor", key: "y", label: "Anchor", hint: "The dream begins again from the real frames" },
  { command: "every_action", key: "k", label: "Every action", hint: "The future of each action from here, held for some frames" },
  { command: "unsure", key: "o", label: "Where unsure", hint: "The next frame drawn many times: where the samples differ" },
  { command: "seeds", key: null, label: "Seeds", hint: "The same future with other chance" },
  { command: "sequences", key: null, label: "Sequences …", hint: "Futures of action sequences of your own" },
  { command: "check", key: "j", label: "Check", hint: "Look for named faults beside the real game; takes a while" },
  { command: "flag", key: "x", label: "Flag …", hint: "Keep this moment, the last seconds and a note" },
];
const LENGTHS = [4, 8, 16, 32];
const FRAMES = 8;
const STUDIES = {
  every_action: "every action", sequences: "sequences", seeds: "seeds", unsure: "where it is unsure", check: "checking the world",
};

const SPLITS = { heldout: "held-out episodes", train: "episodes trained on", file: "files" };

/** Names of episodes by the group they are shown in, in order: [[title, [[name, text] ...]] ...]. */
export function groupsOf(episodes) {
  const groups = Object.entries(SPLITS).map(([split, title]) => {
    const names = episodes.filter((name) => name.startsWith(`${split}/`));
    return [title, names.map((name) => [name, `episode ${name.slice(split.length + 1).replace(/^0+(?=\d)/, "")}`])];
  });
  return groups.filter(([, names]) => names.length > 0);
}

/**
 * obey(command, byPointer); choose({against}): the world beside, choose({episode}): the episode in the real game's place,
 * null for none; last(frames): how long futures are; clear(): away with what was asked for.
 */
export class Bench {
  constructor({ obey, choose, last, clear }) {
    this.buttons = new Map(TOOLS.map((tool) => [tool.command, this.button(tool, obey)]));
    this.select = el("select", { class: "rc-beside", "aria-label": "In lockstep with" });
    this.select.addEventListener("change", () => choose({ against: this.select.value || null }));
    this.beside = el("label", { class: "rc-beside-label" }, el("span", {}, "with"), this.select);
    this.episode = el("select", { class: "rc-beside", "aria-label": "Under the actions of", title: "Who plays: you, or an episode on disk in the real game's place" });
    this.episode.addEventListener("change", () => choose({ episode: this.episode.value || null }));
    this.under = el("label", { class: "rc-beside-label" }, el("span", {}, "under"), this.episode);
    this.frames = el("select", { class: "rc-beside", "aria-label": "Frames of a future", title: "How far futures are followed" });
    this.frames.append(...LENGTHS.map((frames) => el("option", { value: frames, selected: frames === FRAMES }, `${frames} frames`)));
    this.frames.addEventListener("change", () => last(Number(this.frames.value)));
    this.busy = el("span", { class: "rc-busy", role: "status" });
    this.stop = el("button", { type: "button", class: "rc-tool-button", hidden: true, onclick: () => clear() }, "Stop");
    const [lockstep, anchor, every, ...others] = this.buttons.values();
    const names = { class: "rc-bench", role: "toolbar", "aria-label": "Workbench" };
    this.root = el("div", names, lockstep, this.beside, this.under, anchor, every, this.frames, ...others, this.busy, this.stop);
    this.told = "";
    this.toldEpisodes = "";
  }

  button({ command, key, label, hint }, obey) {
    const cap = key ? el("kbd", { "aria-hidden": "true" }, capOf(key)) : null;
    const press = (event) => obey(command, event.detail > 0);
    return el("button", { type: "button", class: "rc-tool-button", "data-tool": command, title: hint, onclick: press }, cap, label);
  }

  /** world, state: fields of those events; null before. wishes: what was chosen to stand beside. */
  follow(world, state, wishes) {
    const lockstep = Boolean(state?.lockstep);
    const button = (name) => this.buttons.get(name);
    button("lockstep").setAttribute("aria-pressed", String(lockstep));
    button("lockstep").disabled = !world?.lockstep && !lockstep;
    button("anchor").disabled = !lockstep;
    button("check").disabled = !world?.real || !lockstep || Boolean(state.episode);
    button("flag").hidden = !world?.flags;
    const { against, episode } = lockstep ? state : besideOf(wishes, world);
    this.offer(world, against, episode);
    this.offerEpisodes(world, episode);
    const busy = state?.study ?? "";
    say(this.busy, busy ? `${STUDIES[busy] ?? busy} …` : "");
    this.busy.hidden = !busy;
    this.stop.hidden = !busy;
  }

  /** The episodes that can take the real game's place. */
  offerEpisodes(world, chosen) {
    const episodes = world?.episodes ?? [];
    this.under.hidden = episodes.length === 0;
    const live = world?.real || world?.rivals?.length > 0;
    const text = JSON.stringify([episodes, live]);
    if (text !== this.toldEpisodes) {
      this.toldEpisodes = text;
      const groups = groupsOf(episodes).map(([label, names]) => {
        return el("optgroup", { label }, ...names.map(([value, said]) => el("option", { value }, said)));
      });
      this.episode.replaceChildren(...(live ? [el("option", { value: "" }, "live play")] : []), ...groups);
    }
    if (document.activeElement !== this.episode) this.episode.value = chosen ?? "";
  }

  /** The worlds that can stand beside. */
  offer(world, chosen, episode) {
    const rivals = world?.rivals ?? [];
    this.beside.hidden = rivals.length === 0;
    const text = JSON.stringify([rivals, world?.real, Boolean(episode)]);
    if (text !== this.told) {
      this.told = text;
      const real = episode ? "the episode" : world?.real ? "the real game" : "";
      const option = (value) => el("option", { value }, [real, value && titleOf({ name: value })].filter(Boolean).join(" and "));
      this.select.replaceChildren(...[...(real ? [""] : []), ...rivals].map(option));
    }
    if (document.activeElement !== this.select) this.select.value = chosen ?? "";
  }
}

/**
 * Action sequences as a person writes them, a line each: names of actions, "*4" for four times. `{sequences, problem}`:
 * lists of names as the world has them, or what is wrong in words. most: actions a line, lines: how many.
 */
export function sequencesOf(text, actions, { most = 32, lines = 8 } = {}) {
  const known = new Map(actions.map((name) => [name.toLowerCase(), name]));
  const sequences = [];
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const names = [];
    for (const word of line.split(/[\s,]+/).filter(Boolean)) {
      const [, name, times = "1"] = /^([^*]+)(?:\*(\d{1,3}))?$/.exec(word) ?? [];
      const action = known.get((name ?? "").toLowerCase());
      if (action === undefined) return { sequences: [], problem: `${word}: expected one of ${actions.join(", ")}` };
      for (let k = 0; k < Number(times); k += 1) names.push(action);
    }
    if (names.length > most) return { sequences: [], problem: `${line.slice(0, 40)}: got ${names.length} actions, expected at most ${most}` };
    if (names.length > 0) sequences.push(names);
  }
  if (sequences.length === 0) return { sequences, problem: "Write a sequence, such as NOOP*4" };
  if (sequences.length > lines) return { sequences: [], problem: `Got ${sequences.length} lines, expected at most ${lines}` };
  return { sequences, problem: "" };
}
