// Keys, fingers, gamepads and the mouse: what they hold becomes messages, what they ask of the page becomes commands.

import { Gamepads } from "./gamepad.js";
import { Held } from "./held.js";
import { KeyEdges, keyName, typingElsewhere } from "./keys.js";
import { padOf } from "./layout.js";
import { listenToMouse } from "./mouse.js";
import { encodeAxis, encodeBlur, encodeKey, encodeMouse } from "./protocol.js";
import { shortcutOf } from "./shortcuts.js";
import { TouchPad } from "./touch.js";

const REPEAT_EVERY_MS = 60;
const SCROLLING = new Set(["up", "down", "left", "right", "space", "page up", "page down"]);

/**
 * All that a player holds. stage: the element that takes the keyboard. send(bytes). obey(command, {number, down}).
 * active(): whether the game is in sight. pressed(buttons): told whenever something is pressed or let go.
 */
export class Inputs {
  constructor({ stage, send, obey, active, pressed, now = () => performance.now() }) {
    Object.assign(this, { stage, send, obey, active, pressed, now });
    this.world = null;
    this.edges = new KeyEdges();
    this.lasting = new Map();
    this.repeatedAt = 0;
    this.held = new Held((button, down) => {
      send(encodeKey(down, button, now()));
      pressed(this.held.buttons);
    });
    const command = (name, down) => obey(name, { down });
    this.touch = new TouchPad({ held: this.held, command });
    this.gamepads = new Gamepads({
      held: this.held,
      pad: () => this.world && padOf(this.world),
      axes: () => this.world?.axes ?? [],
      lean: (axis, value) => send(encodeAxis(axis, value, now())),
      command,
      active,
    });
    listenToMouse(stage, {
      move: (dx, dy) => send(encodeMouse(dx, dy, now())),
      wanted: () => Boolean(this.world?.actions?.some((name) => String(name).toLowerCase().startsWith("mouse_"))),
    });
    document.addEventListener("keydown", (event) => this.down(event));
    document.addEventListener("keyup", (event) => this.up(event));
    window.addEventListener("blur", () => this.release());
  }

  /** Another world: its buttons are others. */
  take(world) {
    this.forget();
    this.world = world;
    this.touch.world(world);
  }

  /** The page lost the keyboard: let go of everything, and say so. */
  release() {
    const held = this.held.buttons.length > 0 || this.gamepads.leans.some(Boolean);
    this.forget();
    if (held) this.send(encodeBlur(this.now()));
  }

  /** Let go of everything without a word: the connection, or the world, is another one. */
  forget() {
    this.edges.clear();
    for (const command of this.lasting.values()) this.obey(command, { down: false });
    this.lasting.clear();
    this.held.forget();
    this.gamepads.forget();
    this.touch.forget();
    this.pressed([]);
  }

  down(event) {
    if (!this.active() || event.defaultPrevented || event.isComposing || event.altKey) return;
    if (typingElsewhere(document.activeElement, this.stage, document.body)) return;
    const name = keyName(event);
    if (name === null) return;
    const ctrl = event.ctrlKey || event.metaKey;
    const button = ctrl ? undefined : this.world?.keys?.[name];
    if (button !== undefined) {
      event.preventDefault();
      if (this.edges.press(event)) this.held.press(button, `key ${name}`);
      return;
    }
    const found = shortcutOf(name, { shift: event.shiftKey, ctrl });
    if (found) this.command(event, name, found);
    else if (!ctrl && SCROLLING.has(name) && this.stage.contains(document.activeElement)) event.preventDefault();
  }

  command(event, name, found) {
    event.preventDefault();
    if (event.repeat) {
      if (!found.repeats || this.now() - this.repeatedAt < REPEAT_EVERY_MS) return;
      this.repeatedAt = this.now();
    } else {
      if (!this.edges.press(event)) return;
      if (found.held) this.lasting.set(name, found.command);
    }
    this.obey(found.command, { number: found.number });
  }

  up(event) {
    const name = this.edges.release(event);
    if (name === null) return;
    const command = this.lasting.get(name);
    this.lasting.delete(name);
    if (command) this.obey(command, { down: false });
    const button = this.world?.keys?.[name];
    if (button !== undefined) this.held.release(button, `key ${name}`);
  }
}
