import assert from "node:assert/strict";
import { test } from "node:test";

import { newsOf, settingUpdates, stateUpdates, worldUpdates } from "../../app/web/static/follow.js";

const PLAYERS = { human: "You", agent: "Agent", random: "Chance", again: "Again" };

test("a component set again by a state that says nothing new of it, over what the player just typed", () => {
  const last = new Map();
  assert.deepEqual(newsOf({ speed: 1, settings: { steps: 4 } }, last), { speed: 1, settings: { steps: 4 } });
  assert.deepEqual(newsOf({ speed: 1, settings: { steps: 4 } }, last), {});
  assert.deepEqual(newsOf({ speed: 2, settings: { steps: 4 } }, last), { speed: 2 });
  assert.deepEqual(newsOf({ speed: 2, settings: { steps: 5 } }, last), { settings: { steps: 5 } });
});

test("listeners that run with every frame, since the timeline moved", () => {
  const last = new Map();
  newsOf({ paused: false, cursor: 1, length: 2, marks: [] }, last);
  assert.deepEqual(newsOf({ paused: false, cursor: 2, length: 3, marks: [[0, "start"]] }, last), {});
});

test("a value that turns into none is news", () => {
  const last = new Map();
  newsOf({ horizon: 50 }, last);
  assert.deepEqual(newsOf({ horizon: null }, last), { horizon: null });
});

test("what is no news must not touch its component", () => {
  assert.deepEqual(stateUpdates({}), Array(8).fill(undefined));
  const [who, real, speed, pause, branch, horizon, slots] = stateUpdates({ paused: true, horizon: null });
  assert.deepEqual([who, real, speed, branch, slots], Array(5).fill(undefined));
  assert.equal(pause.value, "Go on");
  assert.equal(horizon, 0);
});

test("false and 0 are values, not nothing", () => {
  const [, real, , pause] = stateUpdates({ real: false, paused: false });
  assert.equal(real, false);
  assert.equal(pause.value, "Pause");
});

test("a replayed episode is a choice the page knows", () => {
  assert.equal(stateUpdates({ controller: "replay" })[0], "again");
  assert.equal(stateUpdates({ controller: "random" })[0], "random");
});

test("a button to the next branch that works with one branch only", () => {
  assert.equal(stateUpdates({ branches: 1 })[4].interactive, false);
  assert.deepEqual(stateUpdates({ branches: 3 })[4], { __type__: "update", value: "Next of 3", interactive: true });
});

test("settings in the order of their components", () => {
  assert.deepEqual(settingUpdates({ settings: { b: false, a: 1 } }, ["a", "b", "c"]), [1, false, undefined]);
  assert.deepEqual(settingUpdates({ speed: 1 }, ["a"]), [undefined]);
});

test("choices of another world, or in an order of chance", () => {
  const world = { name: "pong", controllers: ["again", "random", "human"], real: true, starts: 16 };
  const [name, look, who, real, start] = worldUpdates(world, { pong: "<p>Pong</p>" }, PLAYERS);
  assert.equal(name, "pong");
  assert.equal(look, "<p>Pong</p>");
  assert.deepEqual(who.choices, [["You", "human"], ["Chance", "random"], ["Again", "again"]]);
  assert.equal(real.visible, true);
  assert.equal(start.maximum, 15);
});

test("a world nobody told of yet", () => {
  assert.deepEqual(worldUpdates({}, {}, PLAYERS), []);
  assert.deepEqual(worldUpdates(null, {}, PLAYERS), []);
  assert.equal(worldUpdates({ name: "new" }, {}, PLAYERS)[1], "");
});
