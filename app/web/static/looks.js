// Looks inside, each kept until the frame that it belongs to is on the canvas.

import { looksOf } from "./views.js";

export class Looks {
  constructor() {
    this.kept = new Map();
    this.waiting = null;
  }

  /** Another connection: nothing of what was sent on the one before holds. */
  begin() {
    this.kept.clear();
    this.waiting = null;
  }

  /** A VIEWS message. */
  hear(message) {
    this.waiting = { seq: message.seq, looks: looksOf(message, this.kept) };
  }

  /** The views, `[{view, data}]`, of frame `seq`, which is drawn now; null: it has none; undefined: it is not their turn. */
  of(seq) {
    const { waiting } = this;
    if (waiting?.seq > seq) return undefined;
    this.waiting = null;
    return waiting?.seq === seq ? waiting.looks : null;
  }
}
