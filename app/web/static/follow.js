// What the server tells, turned into changes of the components around the picture. Without a browser.

const QUIET = new Set(["marks", "length", "cursor", "action"]);
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

/** What news say of: who plays, the real game, speed, pause button, branch button, horizon, slots, grounded; undefined: nothing. */
export function stateUpdates(news) {
  const has = (name, change) => (name in news ? change(news[name]) : undefined);
  return [
    has("controller", (name) => CONTROLLERS[name] ?? name),
    has("real", (on) => on),
    has("speed", (factor) => factor),
    has("paused", (paused) => update({ value: paused ? "Go on" : "Pause" })),
    has("branches", (count) => update({ value: count > 1 ? `Next of ${count}` : "Next branch", interactive: count > 1 })),
    has("horizon", (frames) => frames ?? 0),
    has("slots", (slots) => update({ info: slots.length > 0 ? `Saved: ${slots.join(", ")}` : "All are empty" })),
    has("grounded", (on) => on),
  ];
}

/** What news say of the settings with these names. */
export function settingUpdates(news, names) {
  return names.map((name) => news.settings?.[name]);
}

/**
 * What a world says of: the picker, its look, who plays, the real game, the start to begin at, the grounded dream.
 * looks: HTML by world; players: texts by controller.
 */
export function worldUpdates(world, looks, players) {
  if (!world?.name) return [];
  const offered = Object.keys(players).filter((name) => (world.controllers ?? []).includes(name));
  const last = Math.max(0, (world.starts ?? 1) - 1);
  return [
    world.name,
    looks[world.name] ?? "",
    update({ choices: offered.map((name) => [players[name], name]) }),
    update({ visible: Boolean(world.real) }),
    update({ maximum: last, label: `Start, 0 to ${last}` }),
    update({ visible: Boolean(world.grounded) }),
  ];
}
