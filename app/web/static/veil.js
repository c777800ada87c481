// What lies over the picture: a badge, or a message with what can be done about it.

import { el, say } from "./dom.js";
import { capOf } from "./keys.js";

/** Shows what `overlayOf` and `badgeOf` say. obey(command): an action of the message was chosen. */
export class Veil {
  constructor(obey) {
    this.obey = obey;
    this.badge = el("div", { class: "rc-badge", hidden: true });
    this.title = el("div", { class: "rc-veil-title", role: "status" });
    this.text = el("div", { class: "rc-veil-text" });
    this.actions = el("div", { class: "rc-veil-actions" });
    this.dots = el("div", { class: "rc-dots", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    this.root = el("div", { class: "rc-veil", hidden: true }, this.title, this.text, this.dots, this.actions);
    this.kind = null;
    this.made = "";
  }

  draw(overlay, badge) {
    this.badge.hidden = !badge || Boolean(overlay);
    if (badge) {
      this.badge.dataset.mode = badge.mode;
      say(this.badge, badge.text);
    }
    this.kind = overlay?.kind ?? null;
    this.root.hidden = !overlay;
    if (!overlay) return;
    this.root.dataset.kind = overlay.kind;
    this.dots.hidden = overlay.kind !== "opening";
    say(this.title, overlay.title);
    say(this.text, overlay.text);
    const made = JSON.stringify(overlay.actions);
    if (made === this.made) return;
    this.made = made;
    this.actions.replaceChildren(...overlay.actions.map((action) => this.button(action)));
  }

  button({ label, command, key }) {
    const cap = key ? el("kbd", {}, capOf(key)) : null;
    const press = (event) => {
      event.stopPropagation();
      this.obey(command);
    };
    return el("button", { type: "button", class: "rc-button", onclick: press }, label, cap);
  }
}
