// Who listens to what the client is told, and what was told last.

const REMEMBERED = new Set(["status", "welcome", "world", "state", "frame", "playback"]);

/** Listeners by name; some of what is told is told again to who comes later. */
export class Listeners {
  constructor() {
    this.listeners = new Map();
    this.told = new Map();
  }

  /** Returns a function that stops it. */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    if (REMEMBERED.has(name) && this.told.has(name)) listener(this.told.get(name));
    return () => this.listeners.get(name).delete(listener);
  }

  /** One that fails does not keep the others from hearing it. */
  emit(name, value) {
    if (REMEMBERED.has(name)) this.told.set(name, value);
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        listener(value);
      } catch (error) {
        console.error(`a listener to ${name} failed`, error);
      }
    }
  }
}
