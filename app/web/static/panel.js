// The components around the picture: they follow the session, and give it orders. Python's listeners call these.

import { mount } from "./main.js";
import { newsOf, settingUpdates, stateUpdates, update, worldUpdates } from "./follow.js";

export { mount, settingUpdates, stateUpdates, worldUpdates };

const reverie = window.reverie;
const TYPED = "textarea, input:not([type]), input[type=text], input[type=number], [role=listbox]";

/** Give the session an order; what fails is shown by the client itself. */
export function order(verb, args = {}) {
  reverie.do(verb, args).catch(() => {});
}

/** Play in the dream, in the real game, or with both. */
export function playAt(place) {
  command("place", { choice: place });
}

/** One of the client's commands, as a key of the page gives it. */
export function command(name, how) {
  reverie.command(name, how);
}

/** Tell `tell(world)` of every world that is played, once as long as it stays the same. */
export function followWorld(tell) {
  let last = "";
  reverie.on("world", (world) => {
    const text = JSON.stringify(world);
    if (world?.name && text !== last) tell(world);
    last = text;
  });
}

/**
 * Tell `tell(news)` what changed in the session's state, an object of the changed fields alone, as long as `element` is
 * in the page.
 */
export function followState(element, tell) {
  const last = new Map();
  const stops = [];
  const listen = (name, listener) => {
    stops.push(
      reverie.on(name, (value) => {
        if (element.isConnected) listener(value);
        else stops.forEach((stop) => stop());
      }),
    );
  };
  listen("welcome", () => last.clear());
  listen("world", () => last.clear());
  listen("state", (state) => {
    const news = newsOf(state, last);
    if (Object.keys(news).length > 0) tell(news);
  });
}

/** Forward by a second over what was rewound. */
export function forward() {
  order("scrub", { frames: Math.max(1, Math.round(reverie.world?.fps ?? 15)) });
}

/** Play the world of this name, in the tab for it. */
export function playWorld(name) {
  order("world", { name });
  return update({ selected: "play" });
}

/** Rewind while the button with this id is held down, by pointer or by key. */
export function holdRewind(id) {
  let held = false;
  const hold = (on) => {
    if (on === held) return;
    held = on;
    command("rewind", { down: on });
  };
  const isOn = (event) => Boolean(event.target.closest?.(`#${id}`));
  document.addEventListener("pointerdown", (event) => {
    if (isOn(event) && event.button === 0) hold(true);
  });
  document.addEventListener("keydown", (event) => {
    if (!isOn(event) || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    hold(true);
  });
  document.addEventListener("contextmenu", (event) => {
    if (isOn(event)) event.preventDefault();
  });
  for (const end of ["pointerup", "pointercancel", "keyup", "blur"]) window.addEventListener(end, () => hold(false));
}

/**
 * After a click on a control under `selector` that takes no text, and after Enter in a number, the keyboard belongs to
 * the game again.
 */
export function giveBackKeys(selector) {
  document.addEventListener("keydown", (event) => {
    const field = event.target;
    if (event.key !== "Enter" || !field.closest?.(selector) || !field.matches("input[type=number]")) return;
    setTimeout(() => field.blur(), 0);
  });
  document.addEventListener("click", (event) => {
    if (event.detail === 0 || !event.target.closest?.(selector)) return;
    setTimeout(() => {
      const focused = document.activeElement;
      if (focused?.closest?.(selector) && !focused.matches(TYPED)) focused.blur();
    }, 0);
  });
}

/** Load the save that was uploaded: a file as Gradio tells of it. */
export async function loadSave(file) {
  if (!file?.url) return;
  const answer = await fetch(file.url);
  await reverie.upload(new File([await answer.blob()], file.orig_name ?? "save")).catch(() => {});
}

/** Ask for a replay link, and show its address in the text box. */
export async function showLink() {
  const value = await reverie.do("link").catch(() => null);
  return value === null ? undefined : update({ value: value.address, visible: true });
}

/** The light look, or the dark one. */
export function toggleDark() {
  document.body.classList.toggle("dark");
}
