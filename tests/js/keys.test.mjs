import assert from "node:assert/strict";
import { test } from "node:test";

import { KeyEdges, capOf, keyName, typingElsewhere } from "../../app/web/static/keys.js";

test("keys named otherwise than keymaps name them", () => {
  const pairs = [
    [{ code: "ArrowUp", key: "ArrowUp" }, "up"],
    [{ code: "Space", key: " " }, "space"],
    [{ code: "Enter", key: "Enter" }, "return"],
    [{ code: "NumpadEnter", key: "Enter" }, "enter"],
    [{ code: "Numpad7", key: "7" }, "[7]"],
    [{ code: "NumpadAdd", key: "+" }, "[+]"],
    [{ code: "ShiftLeft", key: "Shift" }, "left shift"],
    [{ code: "ControlRight", key: "Control" }, "right ctrl"],
    [{ code: "PageUp", key: "PageUp" }, "page up"],
    [{ code: "F11", key: "F11" }, "f11"],
    [{ code: "Digit4", key: "4" }, "4"],
    [{ code: "Minus", key: "-" }, "-"],
    [{ code: "Quote", key: "'" }, "'"],
    [{ code: "Backslash", key: "\\" }, "\\"],
  ];
  for (const [event, name] of pairs) assert.equal(keyName(event), name);
});

test("capitals, shifted signs and other scripts lose their key", () => {
  assert.equal(keyName({ code: "KeyW", key: "W" }), "w");
  assert.equal(keyName({ code: "Digit1", key: "!" }), "1");
  assert.equal(keyName({ code: "Equal", key: "+" }), "=");
  assert.equal(keyName({ code: "KeyW", key: "ц" }), "w");
  assert.equal(keyName({ code: "KeyQ", key: "a" }), "a", "the letter typed, not its place");
});

test("keys without a name in keymaps get one", () => {
  for (const event of [{ code: "NumpadMultiply", key: "*" }, { code: "F13", key: "F13" }, { key: "Dead" }, {}]) {
    assert.equal(keyName(event), null);
  }
});

test("keys of on-screen keyboards, which have no code, do nothing", () => {
  assert.equal(keyName({ code: "", key: "a" }), "a");
  assert.equal(keyName({ code: "", key: "ArrowLeft" }), "left");
  assert.equal(keyName({ code: "", key: " " }), "space");
});

test("a key that is held goes down again and again", () => {
  const edges = new KeyEdges();
  assert.equal(edges.press({ code: "KeyA", key: "a" }), "a");
  assert.equal(edges.press({ code: "KeyA", key: "a", repeat: true }), null);
  assert.equal(edges.press({ code: "KeyA", key: "a" }), null);
  assert.equal(edges.release({ code: "KeyA", key: "a" }), "a");
  assert.equal(edges.release({ code: "KeyA", key: "a" }), null);
});

test("a key let go while shift is down stays down for ever", () => {
  const edges = new KeyEdges();
  edges.press({ code: "Digit0", key: "0" });
  assert.equal(edges.release({ code: "Digit0", key: "=" }), "0");
  assert.deepEqual(edges.clear(), []);
});

test("keys down when the page loses the keyboard are not told", () => {
  const edges = new KeyEdges();
  edges.press({ code: "KeyA", key: "a" });
  edges.press({ code: "Space", key: " " });
  assert.deepEqual(edges.clear(), ["a", "space"]);
  assert.equal(edges.release({ code: "KeyA", key: "a" }), null);
});

test("typing into a field moves the paddle, or the game's keys are lost where nothing has the focus", () => {
  const inside = {};
  const stage = { contains: (node) => node === stage || node === inside };
  const html = {};
  const body = { parentElement: html };
  for (const free of [null, body, html, stage, inside]) assert.equal(typingElsewhere(free, stage, body), false);
  assert.equal(typingElsewhere({ tagName: "INPUT" }, stage, body), true);
});

test("caps that do not read as on a keyboard", () => {
  assert.deepEqual(["up", "a", "f1", "left shift", "return"].map(capOf), ["↑", "A", "F1", "Left Shift", "Enter"]);
});
