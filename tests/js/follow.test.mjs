import assert from "node:assert/strict";
import { test } from "node:test";

import { newsOf, settingUpdates, stateUpdates, worldUpdates } from "../../app/web/static/follow.js";

const PLAYERS = { human: "You", agent: "Agent", random: "Chance", again: "Again" };
const PLACES = { dream: "Dream", real: "Real", grounded: "Told", lockstep: "Both" };

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
  assert.deepEqual(stateUpdates({}), Array(7).fill(undefined));
  const [who, place, speed, pause, branch, horizon, slots] = stateUpdates({ paused: true, horizon: null });
  assert.deepEqual([who, place, speed, branch, slots], Array(5).fill(undefined));
  assert.equal(pause.value, "Go on");
  assert.equal(horizon, 0);
});

test("false and 0 are values, not nothing", () => {
  const [, place, , pause] = stateUpdates({ real: false, paused: false });
  assert.equal(place, "dream");
  assert.equal(pause.value, "Pause");
});

test("a place left for another one that is shown as the dream in between, or for good", () => {
  assert.equal(stateUpdates({ real: true })[1], "real");
  assert.equal(stateUpdates({ real: false, lockstep: true })[1], "lockstep");
  assert.equal(stateUpdates({ lockstep: false, grounded: true })[1], "grounded");
  assert.equal(stateUpdates({ real: false, grounded: false, lockstep: false })[1], "dream");
});

test("alarms and studies that set every component of the page again", () => {
  assert.deepEqual(newsOf({ alarms: [["frozen", "", 1]], study: "seeds" }, new Map()), {});
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
  const [name, look, who, place, start] = worldUpdates(world, { pong: "<p>Pong</p>" }, PLAYERS, PLACES);
  assert.equal(name, "pong");
  assert.equal(look, "<p>Pong</p>");
  assert.deepEqual(who.choices, [["You", "human"], ["Chance", "random"], ["Again", "again"]]);
  assert.deepEqual([place.choices, place.visible], [[["Dream", "dream"], ["Real", "real"]], true]);
  assert.equal(start.maximum, 15);
});

test("a world nobody told of yet", () => {
  assert.deepEqual(worldUpdates({}, {}, PLAYERS, PLACES), []);
  assert.deepEqual(worldUpdates(null, {}, PLAYERS, PLACES), []);
  const [, look, , place] = worldUpdates({ name: "new" }, {}, PLAYERS, PLACES);
  assert.deepEqual([look, place.visible], ["", false]);
});
