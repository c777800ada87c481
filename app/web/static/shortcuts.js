// The page's own keys: one table, from which key presses are understood and the help is drawn. As in the window.

const SLOTS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** held: the command lasts while the key is down. repeats: a key kept down gives it again and again. */
export const SHORTCUTS = [
  { command: "pause", keys: ["p"], help: "Pause, go on", group: "Time" },
  { command: "step", keys: ["."], help: "Pause and step", group: "Time", repeats: true },
  { command: "slower", keys: ["-"], help: "Slower", group: "Time", repeats: true },
  { command: "faster", keys: ["="], help: "Faster", group: "Time", repeats: true },
  { command: "normal_speed", keys: ["0"], help: "Speed of the game", group: "Time" },
  { command: "rewind", keys: ["backspace"], help: "Rewind while held", group: "Time", held: true },
  { command: "forward", keys: ["backspace"], help: "Forward again", group: "Time", shift: true, repeats: true },
  { command: "new_start", keys: ["return", "n"], help: "Next start", group: "Dream" },
  { command: "seed", keys: ["g"], help: "Same start, new seed", group: "Dream" },
  { command: "fork", keys: ["f"], help: "Fork: keep a branch here", group: "Dream" },
  { command: "branch", keys: ["b"], help: "Next branch", group: "Dream" },
  { command: "controller", keys: ["c"], help: "Change who plays", group: "Dream" },
  { command: "place", keys: ["c"], help: "Dream, real game, or beside it", group: "Dream", shift: true },
  { command: "fewer_steps", keys: ["["], help: "Fewer sampler steps", group: "Dream", repeats: true },
  { command: "more_steps", keys: ["]"], help: "More sampler steps", group: "Dream", repeats: true },
  { command: "cooler", keys: [","], help: "Cooler dream", group: "Dream", repeats: true },
  { command: "hotter", keys: ["/"], help: "Hotter dream", group: "Dream", repeats: true },
  { command: "shorter", keys: [";"], help: "Shorter horizon", group: "Dream", repeats: true },
  { command: "longer", keys: ["'"], help: "Longer horizon", group: "Dream", repeats: true },
  { command: "look_inside", keys: ["v"], help: "Look inside the world", group: "Dream" },
  { command: "undo", keys: ["u"], help: "Take back the last edit", group: "Dream" },
  { command: "lockstep", keys: ["t"], help: "Lockstep with the real game", group: "Workbench" },
  { command: "anchor", keys: ["y"], help: "Anchor the dream to reality", group: "Workbench" },
  { command: "every_action", keys: ["k"], help: "The future of every action", group: "Workbench" },
  { command: "unsure", keys: ["o"], help: "Where it is unsure", group: "Workbench" },
  { command: "check", keys: ["j"], help: "Check this world for faults", group: "Workbench" },
  { command: "flag", keys: ["x"], help: "Flag this glitch, with a note", group: "Workbench" },
  { command: "load", keys: SLOTS, help: "Load a slot", group: "Keep" },
  { command: "save", keys: SLOTS, help: "Save to a slot", group: "Keep", shift: true },
  { command: "save", keys: SLOTS, help: "Save to a slot", group: "Keep", ctrl: true },
  { command: "clip", keys: ["r"], help: "Instant replay to MP4", group: "Keep" },
  { command: "gif", keys: ["r"], help: "Instant replay to GIF", group: "Keep", shift: true },
  { command: "link", keys: ["l"], help: "Replay link", group: "Keep" },
  { command: "screenshot", keys: ["i"], help: "This picture to PNG", group: "Keep" },
  { command: "help", keys: ["f1", "h"], help: "This help", group: "Page" },
  { command: "panel", keys: ["m"], help: "Measures on, off", group: "Page" },
  { command: "fullscreen", keys: ["f11"], help: "Fullscreen", group: "Page" },
  { command: "close", keys: ["escape"], help: "Close what is open", group: "Page" },
];

const SAME_CAP = { enter: "return" };
for (let digit = 0; digit <= 9; digit += 1) SAME_CAP[`[${digit}]`] = String(digit);

/**
 * The shortcut of a key press by the key's name and its modifiers, with `number` where its key is a digit, or null.
 * Shift and ctrl (or the command key) must match, but not shift for signs, which need it on some keyboards; with alt none
 * does.
 */
export function shortcutOf(name, { shift = false, ctrl = false, alt = false } = {}) {
  if (alt) return null;
  const key = SAME_CAP[name] ?? name;
  const sign = /^[^a-z0-9]$/.test(key);
  const found = SHORTCUTS.find(
    (one) => one.keys.includes(key) && (sign || Boolean(one.shift) === shift) && Boolean(one.ctrl) === ctrl,
  );
  return found ? { ...found, number: SLOTS.includes(key) ? Number(key) : 0 } : null;
}

/** The caps to show for a shortcut: its modifier, then its keys. */
export function capsOf(shortcut, capOf) {
  const modifier = shortcut.shift ? ["⇧"] : shortcut.ctrl ? ["Ctrl"] : [];
  return [...modifier, ...(shortcut.keys === SLOTS ? ["1–9"] : shortcut.keys.map(capOf))];
}
