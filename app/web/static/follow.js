// What the server tells, turned into changes of the components around the picture. Without a browser.

import { placesOf } from "./places.js";

const QUIET = new Set(["marks", "length", "cursor", "action", "alarms", "study"]);
const PLACES = ["lockstep", "grounded", "real"];
const CONTROLLERS = { replay: "again" };

/** A change of a component's properties, as Gradio's listeners return it. */
export const update = (changes) => ({ __type__: "update", ...changes });

/** The fields of a state that differ from those in `last` (a Map of their JSON), which is brought up to date. */
export function newsOf(state, last) {
  const news = {};
  for (const [name, value] of Object.entries(state)) {
    const text = JSON.stringify(value);
    if (QUIET.has(name) || last.get(name) === text) continue;
    last.set(name, text);
    news[name] = value;
  }
  return news;
}

/** What news say of: who plays, where, speed, pause button, branch button, horizon, slots; undefined: nothing. */
export function stateUpdates(news) {
  const has = (name, change) => (name in news ? change(news[name]) : undefined);
  return [
    has("controller", (name) => CONTROLLERS[name] ?? name),
    placeOf(news),
    has("speed", (factor) => factor),
    has("paused", (paused) => update({ value: paused ? "Go on" : "Pause" })),
    has("branches", (count) => update({ value: count > 1 ? `Next of ${count}` : "Next branch", interactive: count > 1 })),
    has("horizon", (frames) => frames ?? 0),
    has("slots", (slots) => update({ info: slots.length > 0 ? `Saved: ${slots.join(", ")}` : "All are empty" })),
  ];
}

/** Where it is played from now on; undefined where the news say nothing of it. One place is left for another at once. */
function placeOf(news) {
  const told = PLACES.filter((name) => name in news);
  return told.length > 0 ? (told.find((name) => news[name]) ?? "dream") : undefined;
}

/** What news say of the settings with these names. */
export function settingUpdates(news, names) {
  return names.map((name) => news.settings?.[name]);
}

/**
 * What a world says of: the picker, its look, who plays, where, the start to begin at. looks: HTML by world; players: texts
 * by controller; places: texts by place.
 */
export function worldUpdates(world, looks, players, places) {
  if (!world?.name) return [];
  const offered = Object.keys(players).filter((name) => (world.controllers ?? []).includes(name));
  const here = placesOf(world).filter((name) => name in places);
  const last = Math.max(0, (world.starts ?? 1) - 1);
  return [
    world.name,
    looks[world.name] ?? "",
    update({ choices: offered.map((name) => [players[name], name]) }),
    update({ choices: here.map((name) => [places[name], name]), visible: here.length > 1 }),
    update({ maximum: last, label: `Start, 0 to ${last}` }),
  ];
}
