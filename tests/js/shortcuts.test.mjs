import assert from "node:assert/strict";
import { test } from "node:test";

import { capOf } from "../../app/web/static/keys.js";
import { Pilot } from "../../app/web/static/pilot.js";
import { SHORTCUTS, capsOf, shortcutOf } from "../../app/web/static/shortcuts.js";

const command = (name, how) => shortcutOf(name, how)?.command ?? null;

test("keys that do otherwise than in the window", () => {
  const pairs = { p: "pause", ".": "step", "-": "slower", "=": "faster", 0: "normal_speed", backspace: "rewind" };
  Object.assign(pairs, { return: "new_start", n: "new_start", g: "seed", f: "fork", b: "branch", c: "controller" });
  Object.assign(pairs, { "[": "fewer_steps", "]": "more_steps", ";": "shorter", "'": "longer", r: "clip", h: "help" });
  for (const [key, name] of Object.entries(pairs)) assert.equal(command(key), name, key);
  const bench = { t: "lockstep", y: "anchor", k: "every_action", o: "unsure", x: "flag", j: "check", e: null };
  for (const [key, name] of Object.entries(bench)) assert.equal(command(key), name, key);
  assert.equal(command("c", { shift: true }), "place");
  assert.equal(command("backspace", { shift: true }), "forward");
  assert.equal(command("r", { shift: true }), "gif");
  assert.deepEqual([shortcutOf("4").command, shortcutOf("4").number], ["load", 4]);
  assert.deepEqual([command("4", { shift: true }), command("4", { ctrl: true })], ["save", "save"]);
});

test("the browser's own keys are taken from it", () => {
  assert.equal(command("r", { ctrl: true }), null, "reload");
  assert.equal(command("f", { ctrl: true }), null, "find");
  assert.equal(command("p", { ctrl: true }), null, "print");
  assert.equal(command("1", { alt: true }), null, "the first tab");
  assert.equal(command("tab"), null, "the next element: a page without it is a trap");
  assert.equal(command("f12"), null);
});

test("keys of the keypad, and signs that need shift on some keyboards, do nothing", () => {
  assert.deepEqual([shortcutOf("[7]").command, shortcutOf("[7]").number], ["load", 7]);
  assert.equal(command("enter"), "new_start");
  assert.equal(command("=", { shift: true }), "faster");
});

test("one key press that means two things", () => {
  const seen = new Set();
  for (const { keys, shift, ctrl } of SHORTCUTS) {
    for (const key of keys) {
      const press = `${shift ? "shift " : ""}${ctrl ? "ctrl " : ""}${key}`;
      assert.ok(!seen.has(press), press);
      seen.add(press);
    }
  }
});

test("a shortcut that nothing carries out", () => {
  const pages = ["rewind", "help", "panel", "look_inside", "fullscreen", "screenshot", "close", "flag"];
  for (const { command: name } of SHORTCUTS) {
    assert.ok(pages.includes(name) || typeof Pilot.prototype[name] === "function", name);
  }
});

test("help that shows other caps than the keys have", () => {
  const save = SHORTCUTS.find((one) => one.command === "save" && one.shift);
  assert.deepEqual(capsOf(save, capOf), ["⇧", "1–9"]);
  assert.deepEqual(capsOf(SHORTCUTS.find((one) => one.command === "new_start"), capOf), ["Enter", "N"]);
});
