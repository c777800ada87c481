import assert from "node:assert/strict";
import { test } from "node:test";

import { nextHorizon, nextPlayer, nextSpeed } from "../../app/web/static/choices.js";
import { Pilot } from "../../app/web/static/pilot.js";
import { besideOf, nextPlace } from "../../app/web/static/places.js";
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
  assert.deepEqual(round("human", true), ["agent", "random", "again", "human", "agent"]);
  assert.deepEqual(round("human", false), ["agent", "random", "human", "agent", "random"]);
  assert.equal(nextPlayer("random", { controllers: ["human", "random"], real: false }, false), "human");
  assert.equal(nextPlayer("replay", world, true), "human");
});

test("the real game, or the lockstep, that cannot be handed to the agent, or is left by doing so", () => {
  for (const frame of [{ real: true }, { grounded: true }, { lockstep: true }]) {
    const { pilot, orders } = pilotOf({ frame, world: { real: true, controllers: ["human", "agent"] } });
    pilot.obey("controller");
    assert.deepEqual(orders, [["controller", { name: "agent" }]]);
  }
});

test("a place that the world does not have, or that is never left again", () => {
  const round = (world) => {
    const order = ["dream"];
    while (order.length < 5) order.push(nextPlace(order.at(-1), world));
    return order;
  };
  const world = { real: true, grounded: true, lockstep: true };
  assert.deepEqual(round(world), ["dream", "real", "grounded", "lockstep", "dream"]);
  assert.deepEqual(round({ real: true, lockstep: true }), ["dream", "real", "lockstep", "dream", "real"]);
  const alone = pilotOf();
  alone.pilot.obey("place");
  assert.deepEqual([alone.orders, alone.notes.length], [[], 1]);
  const chosen = pilotOf({ world });
  chosen.pilot.obey("place", { choice: "grounded" });
  assert.deepEqual(chosen.orders, [["real", { on: "grounded" }]]);
});

test("lockstep with the wrong world beside, or with nothing", () => {
  const beside = (against, world) => besideOf({ against, episode: null }, world).against;
  assert.equal(beside("other", { real: true, rivals: ["other"] }), "other");
  assert.equal(beside("gone", { real: true, rivals: ["other"] }), null);
  assert.equal(beside(null, { real: false, rivals: ["other"] }), "other", "there is no real game");
  const none = pilotOf();
  none.pilot.obey("lockstep");
  assert.deepEqual([none.orders, none.notes.length], [[], 1]);
  const world = { real: true, lockstep: true, rivals: ["other"] };
  const { pilot, orders } = pilotOf({ world });
  pilot.beside({ against: "other" });
  assert.deepEqual(orders, [], "chosen before it begins");
  pilot.obey("lockstep");
  assert.deepEqual(orders, [["real", { on: "lockstep", against: "other", episode: null }]]);
  const within = pilotOf({ world, frame: { lockstep: true } });
  within.pilot.beside({ against: "other" });
  within.pilot.obey("lockstep");
  assert.deepEqual(within.orders, [["real", { on: "lockstep", against: "other", episode: null }], ["real", { on: false }]]);
});

test("a lockstep under an episode of another world, or one that is forgotten with the next choice", () => {
  const world = { real: true, lockstep: true, rivals: ["other"], episodes: ["heldout/000009", "train/000008"] };
  assert.deepEqual(besideOf({ episode: "train/000008" }, world), { against: null, episode: "train/000008" });
  assert.deepEqual(besideOf({ episode: "heldout/000019" }, world), { against: null, episode: null }, "it is gone");
  assert.deepEqual(besideOf({}, { ...world, real: false, rivals: [] }).episode, "heldout/000009", "there is nothing else");
  assert.deepEqual(besideOf({}, { ...world, real: false }), { against: "other", episode: null });
  assert.equal(besideOf({ episode: "train/000008" }, { ...world, real: false }).against, null);
  const { pilot, orders } = pilotOf({ world, frame: { lockstep: true } });
  pilot.beside({ episode: "train/000008" });
  pilot.beside({ against: "other" });
  pilot.beside({ episode: null });
  assert.deepEqual(orders.map(([, { against, episode }]) => [against, episode]), [
    [null, "train/000008"], ["other", "train/000008"], ["other", null],
  ]);
});

test("an anchor without a reality, and studies whose answer nobody sees", () => {
  const { pilot, orders, notes } = pilotOf();
  let seen = 0;
  pilot.page.see_inside = () => (seen += 1);
  pilot.obey("anchor");
  assert.deepEqual([orders, notes.length], [[], 1]);
  pilot.obey("check");
  assert.deepEqual([orders, notes.length], [[], 2], "there is nothing to check against");
  for (const name of ["every_action", "unsure", "seeds"]) pilot.obey(name);
  pilot.present.frame.lockstep = true;
  pilot.obey("check");
  assert.deepEqual(orders.map(([verb, { what }]) => [verb, what]), ["every_action", "unsure", "seeds", "check"].map((what) => ["study", what]));
  pilot.frames = 16;
  pilot.obey("every_action");
  assert.equal(orders.at(-1)[1].frames, 16);
  assert.equal(seen, 5);
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
