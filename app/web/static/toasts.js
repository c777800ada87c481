// Short messages in a corner of the page.

import { el } from "./dom.js";

const LASTS_MS = { note: 2600, good: 6000, error: 9000 };
const MOST = 4;

/** Messages that come and go. One with a topic takes the place of the one before of that topic. */
export class Toasts {
  constructor() {
    this.root = el("div", { class: "rc-toasts", role: "status", "aria-live": "polite" });
  }

  /** kind: "note", "good" or "error"; more: elements to show below the text. */
  add(text, { kind = "note", topic = "", more = [], lasts_ms = LASTS_MS[kind] } = {}) {
    const same = [...this.root.children].find((toast) =>
      topic ? toast.dataset.topic === topic : toast.dataset.text === text);
    same?.remove();
    const close = el("button", { class: "rc-close", type: "button", "aria-label": "Close this message" }, "×");
    const icon = el("span", { class: "rc-icon", "aria-hidden": "true" }, { note: "", good: "✓", error: "!" }[kind]);
    const body = el("div", { class: "rc-toast-body" }, el("div", { class: "rc-toast-text" }, text), ...more);
    const names = { class: `rc-toast rc-${kind}`, "data-topic": topic, "data-text": text };
    const toast = el("div", names, icon, body, close);
    close.addEventListener("click", () => toast.remove());
    this.root.append(toast);
    while (this.root.children.length > MOST) this.root.firstChild.remove();
    this.expire(toast, lasts_ms);
    return toast;
  }

  /** It stays while the pointer or the focus is on it. */
  expire(toast, lasts_ms) {
    const gone = () => {
      if (toast.matches(":hover, :focus-within")) setTimeout(gone, 1000);
      else toast.remove();
    };
    setTimeout(gone, lasts_ms);
  }
}
