// Keys of a keyboard by the names that keymaps use: a key cap in lower case.

const NAMED = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", Space: "space", Enter: "return",
  Backspace: "backspace", Tab: "tab", Escape: "escape", Delete: "delete", Insert: "insert", Home: "home", End: "end",
  PageUp: "page up", PageDown: "page down", ShiftLeft: "left shift", ShiftRight: "right shift",
  ControlLeft: "left ctrl", ControlRight: "right ctrl", AltLeft: "left alt", AltRight: "right alt",
  NumpadEnter: "enter", NumpadAdd: "[+]", NumpadSubtract: "[-]", NumpadDecimal: "[.]",
};
const MARKS = {
  Minus: "-", Equal: "=", BracketLeft: "[", BracketRight: "]", Semicolon: ";", Quote: "'", Comma: ",", Period: ".",
  Slash: "/", Backslash: "\\",
};
const CAP = /^[a-z0-9\-=[\];',./\\]$/;
const WITHOUT_CODE = { " ": "space", Shift: "left shift", Control: "left ctrl", Alt: "left alt" };
const SHOWN = {
  up: "↑", down: "↓", left: "←", right: "→", return: "Enter", escape: "Esc",
};

/**
 * The keymap's name of a KeyboardEvent's key, or null where it has none. Letters and signs go by what the key types in
 * the user's layout; where that is no name (other scripts, shift), by its place on the keyboard.
 */
export function keyName({ code = "", key = "" }) {
  if (NAMED[code]) return NAMED[code];
  if (/^F([1-9]|1[0-2])$/.test(code)) return code.toLowerCase();
  if (/^Numpad[0-9]$/.test(code)) return `[${code[6]}]`;
  if (code.startsWith("Numpad")) return null;
  const typed = key.length === 1 ? key.toLowerCase() : "";
  if (CAP.test(typed)) return typed;
  if (/^Key[A-Z]$/.test(code)) return code[3].toLowerCase();
  if (/^Digit[0-9]$/.test(code)) return code[5];
  return MARKS[code] ?? WITHOUT_CODE[key] ?? NAMED[key] ?? null;
}

/** A key's name as its cap reads. */
export function capOf(name) {
  if (SHOWN[name]) return SHOWN[name];
  if (name.length === 1 || /^f\d+$/.test(name)) return name.toUpperCase();
  return name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
}

/**
 * Which keys are down: turns keydown and keyup events into edges. A key that repeats, or changes its meaning with shift
 * while it is down, still goes down once and up once.
 */
export class KeyEdges {
  constructor() {
    this.down = new Map();
  }

  /** The name of a key that was pressed; null: a repetition, or a key without a name. */
  press(event) {
    const place = event.code || event.key;
    const name = keyName(event);
    if (event.repeat || name === null || this.down.has(place)) return null;
    this.down.set(place, name);
    return name;
  }

  /** The name under which the key that was let go had been pressed; null: it was not down. */
  release(event) {
    const place = event.code || event.key;
    const name = this.down.get(place) ?? null;
    this.down.delete(place);
    return name;
  }

  /** Let go of everything; the names of what was down. */
  clear() {
    const names = [...this.down.values()];
    this.down.clear();
    return names;
  }
}

/** Whether keys belong to what has the focus (a field, a button, a tab) and not to the game around `stage`. */
export function typingElsewhere(active, stage, body) {
  return !(active === null || active === body || active === body?.parentElement || stage.contains(active));
}
