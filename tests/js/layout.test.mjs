import assert from "node:assert/strict";
import { test } from "node:test";

import * as layout from "../../app/web/static/layout.js";

const PONG = {
  buttons: ["left", "right", "fire"],
  keys: { up: 1, w: 1, down: 0, s: 0, space: 2 },
  labels: { 0: "Paddle down", 1: "Paddle up", 2: "Serve" },
};
const FULL = { buttons: ["up", "down", "left", "right", "fire"], keys: {}, labels: {} };
const gamepad = (pressed = [], axes = [0, 0]) => ({
  buttons: Array.from({ length: 17 }, (_, number) => ({ pressed: pressed.includes(number) })),
  axes,
});

test("pixels that blur since one of them takes a fraction of the screen's", () => {
  for (const density of [1, 1.25, 2, 2.625, 3]) {
    const { scale, width, height } = layout.fit({ width: 64, height: 48 }, { width: 333, height: 500 }, density);
    assert.ok(Number.isInteger(scale));
    assert.ok(Math.abs((width * density) / 64 - scale) < 1e-9 && Math.abs((height * density) / 48 - scale) < 1e-9);
    assert.ok(width <= 333 && width + 64 / density > 333, `${density}: the next larger one fits, too`);
  }
  assert.equal(layout.fit({ width: 64, height: 64 }, { width: 320, height: 320 }, 1).scale, 5);
  assert.equal(layout.fit({ width: 640, height: 480 }, { width: 320, height: 320 }, 1).scale, 1, "never nothing");
});

test("pictures side by side that do not fit, or are smaller than they could be", () => {
  const size = { width: 64, height: 64 };
  for (const [count, room] of [[3, { width: 820, height: 560 }], [3, { width: 340, height: 440 }], [5, { width: 820, height: 600 }], [2, { width: 300, height: 900 }]]) {
    const { columns, scale, width, height } = layout.arrange(count, size, room, 1, { gap: 10, above: 24 });
    const rows = Math.ceil(count / columns);
    assert.ok(columns * (width + 10) + 10 <= room.width && rows * (height + 34) + 10 <= room.height, `${count}`);
    assert.ok(scale >= 1 && columns >= 1 && columns <= count);
  }
  assert.equal(layout.arrange(3, size, { width: 820, height: 560 }, 1).columns, 3);
  assert.equal(layout.arrange(2, size, { width: 200, height: 900 }, 1).columns, 1, "stacked where it is slim");
  assert.equal(layout.arrange(5, size, { width: 820, height: 600 }, 1).columns, 3, "two dreams with their errors below");
});

test("a click on the timeline that leads to another frame than is drawn there", () => {
  for (const position of [0, 1, 57, 449]) {
    assert.equal(layout.frameAt(layout.placeOf(position, 451, 733), 451, 733, 450), position);
  }
  assert.equal(layout.frameAt(-20, 451, 733, 450), 0);
  assert.equal(layout.frameAt(9999, 451, 733, 450), 449, "nothing lies ahead of what is kept");
  assert.equal(layout.frameAt(10, 451, 733, 0), 0);
});

test("marks that stand still while a full timeline moves on, or run away when it does not", () => {
  const before = { index: 500, length: 451, cursor: 450 };
  assert.equal(layout.drift(before, { index: 503, length: 451, cursor: 450 }), 3);
  assert.equal(layout.drift(before, { index: 500, length: 451, cursor: 450 }), 0);
  assert.equal(layout.drift(before, { index: 503, length: 451, cursor: 300 }), 0, "rewound");
  assert.equal(layout.drift({ index: 5, length: 6, cursor: 5 }, { index: 8, length: 9, cursor: 8 }), 0, "filling up");
  assert.equal(layout.drift(before, { index: 2, length: 451, cursor: 450 }), 0, "a new start");
  assert.equal(layout.drift(null, { index: 2, length: 451, cursor: 450 }), 0);
});

test("a paddle that goes up by the button below, since the console calls it right", () => {
  const { arrows, actions } = layout.padOf(PONG);
  assert.deepEqual(arrows.up, { index: 1, name: "right", label: "Paddle up" });
  assert.deepEqual(arrows.down, { index: 0, name: "left", label: "Paddle down" });
  assert.deepEqual(Object.keys(arrows), ["up", "down"], "no button stands in two places");
  assert.deepEqual(actions.map((button) => button.label), ["Serve"]);
});

test("the list of keys begins with whatever the world names first, not with the arrow up", () => {
  const lines = layout.buttonLines(PONG);
  assert.deepEqual(lines.map((line) => line.label), ["Paddle up", "Paddle down", "Serve"]);
  assert.deepEqual(lines[0], { index: 1, keys: ["up", "w"], label: "Paddle up" });
  assert.deepEqual(layout.buttonLines(FULL).map((line) => line.index), [0, 1, 2, 3, 4], "buttons without keys");
});

test("a world whose keys are not told has no cross", () => {
  const { arrows, actions } = layout.padOf(FULL);
  assert.deepEqual(Object.values(arrows).map((button) => button.name), ["up", "down", "left", "right"]);
  assert.deepEqual(actions, [{ index: 4, name: "fire", label: "fire" }]);
});

test("a finger between two arrows, in the middle, or on a cross with one axis", () => {
  assert.deepEqual(layout.arrowsOf(0, -1), ["up"]);
  assert.deepEqual(layout.arrowsOf(0.9, 0.2), ["right"]);
  assert.deepEqual(layout.arrowsOf(0.7, 0.7), ["down", "right"]);
  assert.deepEqual(layout.arrowsOf(-0.7, -0.6), ["up", "left"]);
  assert.deepEqual(layout.arrowsOf(0.1, 0.1), []);
  assert.deepEqual(layout.arrowsOf(0.9, 0.4, ["up", "down"]), ["down"]);
  assert.deepEqual(layout.arrowsOf(0.9, 0.1, ["up", "down"]), []);
  assert.deepEqual(layout.arrowsOf(0, 1, ["up"]), [], "an arrow that the world lacks");
});

test("a gamepad's cross, stick and buttons hold other buttons than they stand for", () => {
  const pad = layout.padOf(PONG);
  assert.deepEqual(layout.gamepadButtons(gamepad([12]), pad), [1]);
  assert.deepEqual(layout.gamepadButtons(gamepad([], [0, 1]), pad), [0]);
  assert.deepEqual(layout.gamepadButtons(gamepad([12], [0, -1]), pad), [1], "both at once count once");
  assert.deepEqual(layout.gamepadButtons(gamepad([], [0.2, 0.2]), pad), [], "a stick that does not rest in the middle");
  assert.deepEqual(layout.gamepadButtons(gamepad([0]), pad), [2]);
  assert.deepEqual(layout.gamepadButtons(gamepad([1]), pad), [2], "any face button, where there is one action");
  assert.deepEqual(layout.gamepadButtons(gamepad([14, 15]), pad), [], "arrows that the world lacks");
  assert.deepEqual(layout.gamepadButtons({ buttons: [], axes: [] }, pad), [], "a device that is no standard gamepad");
});

test("buttons of a gamepad that steer the page play the game, or the other way round", () => {
  assert.deepEqual(layout.gamepadCommands(gamepad([9])), ["pause"]);
  assert.deepEqual(layout.gamepadCommands(gamepad([4, 0])), ["rewind"]);
  assert.deepEqual(layout.gamepadButtons(gamepad([4, 8, 9]), layout.padOf(FULL)), []);
});
