// Buttons of the world that are held, by whoever holds them: keys, fingers, a gamepad.

/** Several sources may hold one button: it goes down with the first and up with the last. */
export class Held {
  /** send(button, down): called for each edge, `button` the index into the world's buttons. */
  constructor(send) {
    this.send = send;
    this.sources = new Map();
  }

  /** Indices of the buttons held now. */
  get buttons() {
    return [...this.sources.keys()];
  }

  press(button, source) {
    const holders = this.sources.get(button);
    if (holders) {
      holders.add(source);
      return;
    }
    this.sources.set(button, new Set([source]));
    this.send(button, true);
  }

  release(button, source) {
    const holders = this.sources.get(button);
    if (!holders?.delete(source) || holders.size) return;
    this.sources.delete(button);
    this.send(button, false);
  }

  /** `source` holds exactly `buttons` (any iterable of indices) from now on. */
  set(source, buttons) {
    const wanted = new Set(buttons);
    for (const [button, holders] of [...this.sources]) {
      if (holders.has(source) && !wanted.has(button)) this.release(button, source);
    }
    for (const button of wanted) this.press(button, source);
  }

  /** Forget everything without a word to the server: a blur message tells it, or the connection is gone. */
  forget() {
    this.sources.clear();
  }
}
