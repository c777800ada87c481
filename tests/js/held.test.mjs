import assert from "node:assert/strict";
import { test } from "node:test";

import { Held } from "../../app/web/static/held.js";

function recorder() {
  const edges = [];
  return { edges, held: new Held((button, down) => edges.push([button, down])) };
}

test("letting go of one of two keys of a button lets go of the button", () => {
  const { edges, held } = recorder();
  held.press(0, "key up");
  held.press(0, "key w");
  held.release(0, "key w");
  assert.deepEqual(edges, [[0, true]]);
  held.release(0, "key up");
  assert.deepEqual(edges, [[0, true], [0, false]]);
});

test("a release without a press reaches the server", () => {
  const { edges, held } = recorder();
  held.release(3, "key a");
  held.press(3, "key a");
  held.release(3, "finger 1");
  assert.deepEqual(edges, [[3, true]]);
});

test("a source that sets its buttons disturbs those of others, or repeats edges", () => {
  const { edges, held } = recorder();
  held.press(1, "key left");
  held.set("gamepad", [1, 2]);
  held.set("gamepad", [1, 2]);
  held.set("gamepad", []);
  assert.deepEqual(edges, [[1, true], [2, true], [2, false]]);
  assert.deepEqual(held.buttons, [1]);
});

test("what was held on a connection that is gone cannot be pressed again", () => {
  const { edges, held } = recorder();
  held.press(0, "key up");
  held.forget();
  assert.deepEqual(held.buttons, []);
  held.press(0, "key up");
  assert.deepEqual(edges, [[0, true], [0, true]]);
});
