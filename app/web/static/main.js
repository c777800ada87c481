// The page's way in: `mount` puts the canvas client into an element, `window.reverie` is what programs talk to.

import { Client } from "./client.js";

let client = null;
const before = []; // listeners from before there was a client

/** What programs of the page may use. */
const reverie = {
  /** Give an order (docs/protocol.md): resolves to its reply's value, rejects with an error that has a code. */
  do: (verb, args) => (client ? client.do(verb, args) : Promise.reject(new Error("not mounted yet"))),
  /** One of the page's commands, as its shortcuts give it: "pause" (or go on), "branch", "controller" ... */
  command: (name, how) => client?.obey(name, how),
  /** Listen; what was told last comes at once. Returns a function that stops it. */
  on(name, listener) {
    if (client) return client.on(name, listener);
    const entry = [name, listener];
    before.push(entry);
    return () => (entry.stop ? entry.stop() : before.splice(before.indexOf(entry), 1));
  },
  /** Fields of the last welcome, world and state events, and the header of the frame on the canvas; null before. */
  get welcome() {
    return client?.present.welcome ?? null;
  },
  get world() {
    return client?.present.world ?? null;
  },
  get state() {
    return client?.present.state ?? null;
  },
  get frame() {
    return client?.present.frame ?? null;
  },
  get playback() {
    return client?.present.playback ?? null;
  },
  /** "connecting", "open", "waiting", "failed" or "closed". */
  get status() {
    return client?.connection.status ?? "closed";
  },
  /** The frame on the canvas, undistorted: {width, height, data: RGB bytes}. */
  pixels: () => client?.picture.pixels() ?? null,
  /** Frames a second, ms of the model, p50 and p95 of input to picture. */
  measures: () => client?.hud.measures() ?? null,
  /** Load a save file (a File or Blob); without one the player is asked. */
  upload: (file) => client?.do("upload", { file }),
};

/**
 * Put the client into `element`, in place of what is there; there is one client a page, a second call moves it.
 * options: url of the WebSocket, by default that of the page's server. Returns window.reverie.
 */
export function mount(element, options = {}) {
  styled();
  const fresh = client === null;
  client ??= new Client(options);
  if (client.root.parentElement !== element) element.replaceChildren(client.root);
  if (fresh) {
    for (const entry of before.splice(0)) entry.stop = client.on(...entry);
    client.start();
  } else {
    client.sight.look();
  }
  return reverie;
}

function styled() {
  const href = new URL("./reverie.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  link.addEventListener("load", () => client?.sight.look());
  document.head.append(link);
}

window.reverie = reverie;
