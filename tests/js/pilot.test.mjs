import assert from "node:assert/strict";
import { test } from "node:test";

import { Pilot, nextHorizon, nextPlayer, nextSpeed } from "../../app/web/static/pilot.js";
import { Present } from "../../app/web/static/present.js";

function pilotOf({ frame = {}, state = {}, world = {} } = {}) {
  const orders = [];
  const notes = [];
  const present = new Present();
  present.world = { name: "pong", fps: 10, controllers: ["human", "random", "again"], real: false, ...world };
  present.hear({ paused: false, rewinding: false, replaying: false, index: 5, ...frame });
  present.take({ paused: false, rewinding: false, replaying: false, index: 5, ...frame });
  const usual = { controller: "human", start: 3, slots: ["2"], speed: 1, horizon: null, branch: 0, branches: 1 };
  present.state = { ...usual, settings: { steps: 1 }, ...state };
  const order = (verb, args = {}) => {
    orders.push([verb, args]);
    return Promise.resolve(verb === "fork" ? 1 : null);
  };
  const page = { help: () => orders.push("help") };
  const pilot = new Pilot({ present, order, page, note: (text) => notes.push(text), random: () => 77 });
  return { pilot, present, orders, notes };
}

test("pressing pause twice quickly pauses twice", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("pause");
  pilot.obey("pause");
  assert.deepEqual(orders, [["pause", {}], ["resume", {}]]);
});

test("rewind that is not let go of, or told twice", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("rewind", { down: true });
  pilot.obey("rewind", { down: true });
  pilot.obey("rewind", { down: false });
  pilot.obey("rewind", { down: false });
  assert.deepEqual(orders, [["rewind", { hold: true }], ["rewind", { hold: false }]]);
});

test("a command that ends, of one that does not last, is given again", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("pause", { down: false });
  assert.deepEqual(orders, []);
});

test("a new seed changes the start, too", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("seed");
  assert.deepEqual(orders, [["start", { start: 3, seed: 77 }]]);
});

test("slots: an empty one is loaded, a full one is not, a save goes elsewhere", () => {
  const { pilot, orders, notes } = pilotOf();
  pilot.obey("load", { number: 1 });
  assert.match(notes[0], /Slot 1 is empty/);
  pilot.obey("load", { number: 2 });
  pilot.obey("save", { number: 1 });
  assert.deepEqual(orders, [["load", { slot: 2 }], ["save", { slot: 1 }]]);
});

test("sampler steps below 1, or of a world without a sampler", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("fewer_steps");
  pilot.obey("more_steps");
  assert.deepEqual(orders, [["settings", { changes: { steps: 1 } }], ["settings", { changes: { steps: 2 } }]]);
  const without = pilotOf({ state: { settings: {} } });
  without.pilot.obey("more_steps");
  assert.deepEqual(without.orders, []);
});

test("speeds and horizons that skip a place or leave the list", () => {
  const speeds = [[1, 1], [1, -1], [8, 1], [0.1, -1], [0.97, 0]].map(([now, change]) => nextSpeed(now, change));
  assert.deepEqual(speeds, [1.5, 0.75, 8, 0.1, 1]);
  const changes = [[null, -1], [2500, 1], [15, -1], [60, 1], [null, 1]];
  assert.deepEqual(changes.map(([now, change]) => nextHorizon(now, change)), [2500, null, 15, 100, null]);
});

test("who plays next: someone the world does not have, or nobody new", () => {
  const world = { controllers: ["human", "random", "agent", "again"], real: true };
  const round = (first, played) => {
    const order = [first];
    while (order.length < 6) order.push(nextPlayer(order.at(-1), world, played));
    return order.slice(1);
  };
  assert.deepEqual(round("human", true), ["agent", "random", "again", "real", "human"]);
  assert.deepEqual(round("human", false), ["agent", "random", "real", "human", "agent"]);
  assert.equal(nextPlayer("random", { controllers: ["human", "random"], real: false }, false), "human");
  assert.equal(nextPlayer("replay", world, true), "real");
});

test("coming back from the real game leaves chance, or the game, in charge", () => {
  const { pilot, orders } = pilotOf({ frame: { real: true }, world: { real: true } });
  pilot.obey("controller");
  assert.deepEqual(orders, [["real", { on: false }], ["controller", { name: "human" }]]);
});

test("a branch that is not there", () => {
  const { pilot, orders, notes } = pilotOf();
  pilot.obey("branch");
  assert.deepEqual([orders, notes.length], [[], 1]);
  const three = pilotOf({ state: { branch: 2, branches: 3 } });
  three.pilot.obey("branch");
  assert.deepEqual(three.orders, [["branch", { index: 0 }]]);
});

test("the page's own commands go to the server", () => {
  const { pilot, orders } = pilotOf();
  pilot.obey("help");
  pilot.obey("nothing of this name");
  assert.deepEqual(orders, ["help"]);
});
