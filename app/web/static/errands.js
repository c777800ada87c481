// Orders that end in something to keep: clips, saves, links, pictures.

import { filesIn, replayAddress } from "./address.js";
import { sequencesOf } from "./bench.js";
import { PlayError } from "./connection.js";
import { download, el } from "./dom.js";

const WAITS_MS = 60000;
const STAYS_MS = 15000;
const MOST_NOTE = 200;

/** What the page does around some orders of its client. */
export class Errands {
  constructor(client) {
    this.client = client;
    this.orders = {
      record: (args) => this.keep("record", { format: "mp4", seconds: client.pilot.clipSeconds, ...args }),
      save_file: () => this.keep("save_file", {}),
      link: () => this.share(),
      upload: ({ file } = {}) => this.upload(file),
      glitch: (args) => this.reopen(args),
    };
    for (const name of ["help", "panel", "look_inside", "fullscreen", "screenshot", "sequences"]) this.orders[name] = this.commands[name];
  }

  /** What only the page itself does, by command. */
  get commands() {
    const { client } = this;
    return {
      help: () => client.help.toggle(client.present.world),
      panel: () => client.root.classList.toggle("rc-panel-off"),
      look_inside: () => client.inspector.toggle(),
      see_inside: () => client.inspector.show(),
      flag: () => this.flag(),
      sequences: () => this.sequences(),
      fullscreen: () => (document.fullscreenElement ? document.exitFullscreen() : client.root.requestFullscreen()),
      screenshot: () => this.screenshot(),
      close: () => client.toasts.root.replaceChildren(),
      reconnect: () => client.connection.open(),
      reload: () => location.reload(),
      wake: () => client.wake(),
      watch: () => this.watch(),
    };
  }

  /** The replay once more, or this episode where there was none. */
  watch() {
    const { link } = this.client;
    return link ? this.client.do("replay", { link }) : this.client.do("controller", { name: "again" });
  }

  /** A recording or a save: its files are downloaded, and stay within reach for a while. */
  async keep(verb, args) {
    const { toasts } = this.client;
    const waiting = verb === "record" ? `Writing the last ${args.seconds} s …` : "Writing the save …";
    const toast = toasts.add(waiting, { topic: "keep", lasts_ms: WAITS_MS });
    let value;
    try {
      value = await this.client.order(verb, args);
    } catch (error) {
      toast.remove();
      throw error;
    }
    const links = filesIn(value).map((href) => {
      const name = decodeURIComponent(href.split("/").pop());
      download(href, name);
      return el("a", { href, download: name }, name);
    });
    const said = verb === "record" ? "The clip and its actions" : "The save";
    toasts.add(said, { kind: "good", topic: "keep", more: links, lasts_ms: STAYS_MS });
    return value;
  }

  /** The address that plays this episode again: copied where the browser lets us, shown in any case. */
  async share() {
    const value = await this.client.order("link", {});
    const link = typeof value === "string" ? value : value.link;
    const address = replayAddress(location.origin, link);
    const field = el("input", { class: "rc-address", readonly: true, value: address, "aria-label": "Replay link" });
    field.addEventListener("focus", () => field.select());
    const said = (await copied(address)) ? "The replay link is copied" : "The replay link, to copy";
    this.client.toasts.add(said, { kind: "good", topic: "link", more: [field], lasts_ms: STAYS_MS });
    return { link, address };
  }

  /** Load a save from the player's machine (a File or Blob); without one the player is asked. */
  async upload(file) {
    const chosen = file ?? (await choose());
    if (!chosen) return null;
    const { session, key } = this.client.connection.resume ?? {};
    if (!session) throw new PlayError("offline", "Not connected: wait a moment");
    const headers = { "X-Reverie-Key": key, "Content-Type": "application/octet-stream" };
    const url = `/api/sessions/${encodeURIComponent(session)}/save`;
    const response = await fetch(url, { method: "POST", headers, body: chosen });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const { code = "internal", message = `The save was refused (${response.status})` } = answer.error ?? {};
      throw new PlayError(code, message);
    }
    this.client.toasts.add(`Loaded ${chosen.name ?? "the save"}; Backspace leads back`, { kind: "good" });
    return answer.value ?? null;
  }

  /** Keep this moment with a note, for which time stands still. */
  async flag() {
    const { client } = this;
    const { present, toasts } = client;
    if (!present.world?.flags) {
      toasts.add("This server keeps no flags; its own machine's player can", { topic: "flag" });
      return;
    }
    const went = !present.paused;
    if (went) client.do("pause").catch(() => {});
    const text = "This moment, the last 10 seconds and your note are kept; `reverie glitches` lists them.";
    const note = await client.ask.words({ title: "Flag this glitch", text, give: "Flag it", limit: MOST_NOTE });
    if (note !== null) {
      const kept = await client.do("flag", { note: note || null }).catch(() => null);
      if (kept) toasts.add(`Flagged as ${kept.id}`, { kind: "good", topic: "flag" });
    }
    if (went) client.do("resume").catch(() => {});
    client.stage.focus({ preventScroll: true });
  }

  /** Go to a flagged glitch, and say what its note was. */
  async reopen(args) {
    const opened = await this.client.order("glitch", args);
    const { id, note } = opened;
    this.client.toasts.add(note ? `${id}: ${note}` : id, { kind: "good", topic: "flag" });
    return opened;
  }

  /** Futures under sequences of actions that the player writes. */
  async sequences() {
    const { client } = this;
    const actions = client.present.world?.actions ?? [];
    if ((client.present.world?.axes ?? []).length > 0) {
      client.toasts.add("Sequences are for worlds with named actions; K shows every action here", { topic: "study" });
      return;
    }
    const text = `One sequence a line, such as ${actions.at(-1) ?? "UP"}*4 ${actions[0] ?? "NOOP"}*4. Actions: ${actions.join(", ")}`;
    const check = (words) => sequencesOf(words, actions).problem;
    const value = this.written ?? actions.slice(0, 3).map((name) => `${name}*8`).join("\n");
    const words = await client.ask.words({ title: "Futures of sequences", text, give: "Show them", value, limit: 2000, lines: 6, empty: false, check });
    client.stage.focus({ preventScroll: true });
    if (words === null) return;
    this.written = words;
    await client.pilot.study("sequences", { sequences: sequencesOf(words, actions).sequences });
  }

  async screenshot() {
    const { canvas, picture, present } = this.client;
    const href = URL.createObjectURL(await picture.png());
    download(href, `${present.world?.name ?? "reverie"}-${canvas.dataset.index ?? 0}.png`);
    setTimeout(() => URL.revokeObjectURL(href), STAYS_MS);
  }
}

/** Whether the text is on the clipboard now; browsers refuse it on pages that are not secure. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** The file a player chooses; null when none. */
function choose() {
  return new Promise((resolve) => {
    const input = el("input", { type: "file", accept: ".safetensors,.save" });
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}
