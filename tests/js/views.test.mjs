import assert from "node:assert/strict";
import { test } from "node:test";

import { gamepadAxes, gamepadButtons } from "../../app/web/static/layout.js";
import { Pilot } from "../../app/web/static/pilot.js";
import { decode } from "../../app/web/static/protocol.js";
import * as views from "../../app/web/static/views.js";

const GRID = { name: "stoch", kind: "one_hot_grid", shape: [2, 3], labels: [], type: "f4", offset: 4, bytes: 24 };
const VECTOR = { name: "deter", kind: "vector", shape: [4], labels: ["a"], type: "f4", offset: 0, bytes: 16 };

function look(header, values = new Uint8Array()) {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(5 + text.length + values.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x84);
  view.setUint32(1, text.length, true);
  bytes.set(text, 5);
  bytes.set(values, 5 + text.length);
  return bytes.buffer;
}

test("values that do not begin at a multiple of four bytes are read from their own place", () => {
  const values = new Uint8Array(28);
  new DataView(values.buffer).setFloat32(4 + 4 * 5, 0.5, true);
  const message = decode(look({ seq: 9, views: [GRID] }, values));
  assert.equal(message.seq, 9);
  assert.deepEqual([...views.valuesOf(message.views[0], message.data)], [0, 0, 0, 0, 0, 0.5]);
});

test("damaged looks end the page instead of being told as an error", () => {
  const part = { ...GRID, offset: 8 };
  for (const bytes of [look("{"), look("null"), look({ seq: 1 }), look({ seq: 1, views: [part] }, new Uint8Array(24))]) {
    assert.throws(() => decode(bytes), /views: got/);
  }
  assert.throws(() => decode(new Uint8Array([0x84, 255, 0, 0, 0]).buffer), /views: got/);
});

test("a click beside a cell, in another row, or outside", () => {
  assert.equal(views.indexAt(GRID, 0.99, 0.99), 5);
  assert.equal(views.indexAt(GRID, 0.4, 0.2), 1);
  assert.equal(views.indexAt(GRID, 0, 0.5), 3);
  assert.equal(views.indexAt(GRID, 1, 0.5), null);
  assert.equal(views.indexAt(VECTOR, 0.5, 0.9), 2);
  assert.equal(views.indexAt({ kind: "scalar", shape: [] }, 0.5, 0.5), null);
  assert.equal(views.indexAt({ kind: "film_strip", shape: [2, 3, 4, 4] }, 0.5, 0.5), null);
});

test("a change shown otherwise than the server makes it", () => {
  assert.deepEqual([...views.changed(GRID, Float32Array.of(1, 0, 0, 0, 0, 1), 4, 0)], [1, 0, 0, 0, 1, 0]);
  const before = Float32Array.of(1, 2, 3, 4);
  assert.deepEqual([...views.changed(VECTOR, before, 1, -5)], [1, -5, 3, 4]);
  assert.equal(before[1], 2);
});

test("a bar that stands for another value than it is drawn with", () => {
  assert.equal(views.rangeOf([0.2, -0.9]), 1);
  assert.equal(views.rangeOf([3, NaN]), 5);
  assert.equal(views.rangeOf([-70]), 100);
  assert.equal(views.rangeOf([1e9]), 1e9);
  assert.deepEqual([views.valueAt(0, 2), views.valueAt(0.5, 2), views.valueAt(1.5, 2)], [2, 0, -2]);
});

test("pictures whose size is not that of their cells", () => {
  const grid = views.pixelsOf(GRID, Float32Array.of(1, 0, 0, 0, 1, 0));
  assert.deepEqual([grid.width, grid.height, grid.data.length], [3, 2, 24]);
  assert.ok(grid.data[0] > grid.data[4], "a choice is lit");
  const maps = { kind: "feature_maps", shape: [3, 2, 2], labels: [] };
  const tiles = views.pixelsOf(maps, Uint8Array.from({ length: 12 }, (_, k) => k + 1));
  const { columns, rows, across } = views.cellsOf(maps);
  assert.deepEqual([tiles.width, tiles.height], [columns, rows]);
  const second = 4 * (across > 1 ? 3 : 3 * columns);
  assert.equal(tiles.data[second], 5, "the second map's first value");
  const bars = views.pixelsOf(VECTOR, Float32Array.of(1, -1, 0, NaN));
  assert.equal(bars.width, 4);
  assert.ok(bars.data[4 * 4 * 2] > 50 && bars.data[4 * (4 * 2 + 1)] < 50, "a bar up, a bar down");
  for (const token of [0, 7, 8, 511, -3]) assert.ok(views.hue(token).every((part) => part >= 0 && part <= 255));
});

test("words for a value that name another place", () => {
  assert.equal(views.nameOf(GRID, Float32Array.of(0, 0, 0, 0, 0.25, 0), 4), "row 1, class 1: 0.25");
  assert.equal(views.nameOf(VECTOR, Float32Array.of(-0.5, 0, 0, 0), 0), "a: −0.5");
  assert.equal(views.shownValue(NaN), "none");
});

test("an edit taken back that lies ahead of where play stands", () => {
  const marks = [[0, "start"], [4, "edit"], [9, "edit"]];
  assert.equal(views.lastEdit({ marks, cursor: 12 }), 9);
  assert.equal(views.lastEdit({ marks, cursor: 8 }), 4);
  assert.equal(views.lastEdit({ marks, cursor: 3 }), null);
  assert.equal(views.lastEdit(null), null);
});

test("sticks and triggers that move the wrong component, the wrong way, or never rest", () => {
  const car = [{ low: -1, high: 1 }, { low: 0, high: 1 }, { low: 0, high: 1 }];
  const pad = (axes, values = {}) => ({ axes, buttons: Array.from({ length: 16 }, (_, k) => ({ value: values[k] ?? 0, pressed: Boolean(values[k]) })) });
  assert.deepEqual(gamepadAxes(pad([0.05, 0.1, 0, 0]), car), [0, 0, 0]);
  assert.deepEqual(gamepadAxes(pad([1, 0, 0, 0], { 7: 0.5 }), car), [1, 0.5, 0]);
  assert.deepEqual(gamepadAxes(pad([-1, 0, 0, 0], { 6: 1 }), car), [-1, 0, 1]);
  assert.deepEqual(gamepadAxes(pad([0, -1]), [car[0], car[0]]), [0, 1], "up is more");
  assert.deepEqual(gamepadAxes({ axes: [], buttons: [] }, car), [0, 0, 0]);
  const cross = { arrows: { left: { index: 3 } }, actions: [{ index: 0 }] };
  assert.deepEqual(gamepadButtons(pad([-1, 0], { 0: 1 }), cross, true), []);
  assert.deepEqual(gamepadButtons(pad([0, 0], { 14: 1 }), cross, true), [3]);
});

test("a view that was not sent again is drawn empty, or from the look of another frame", () => {
  const kept = new Map();
  const first = { views: [{ ...GRID, offset: 0 }, { ...VECTOR, offset: 24 }], data: new Uint8Array(40).fill(1) };
  const [grid] = views.looksOf(first, kept);
  const [again, other] = views.looksOf({ views: [{ name: "stoch", same: true, offset: 0, bytes: 0 }, VECTOR], data: new Uint8Array(16) }, kept);
  assert.equal(again, grid, "the very same, so that it is not drawn again");
  assert.equal(views.valuesOf(other.view, other.data)[0], 0);
  assert.deepEqual(views.looksOf({ views: [VECTOR], data: new Uint8Array(16) }, kept).length, 1);
  assert.deepEqual(views.looksOf({ views: [{ name: "stoch", same: true }], data: new Uint8Array() }, kept), []);
});

test("a temperature beyond its bounds, or of a world without one", () => {
  const orders = [];
  const present = { state: { settings: { temperature: 1.95 } } };
  const pilot = new Pilot({ present, order: (verb, args) => orders.push([verb, args]), page: {}, note: () => {} });
  pilot.obey("hotter");
  present.state.settings.temperature = 0.02;
  pilot.obey("cooler");
  present.state.settings = { steps: 3 };
  pilot.obey("hotter");
  assert.deepEqual(orders.map(([, args]) => args.changes.temperature), [2, 0]);
});

test("undo that goes to the edit itself instead of before it", () => {
  const orders = [];
  const present = { state: { marks: [[3, "edit"]], cursor: 5 } };
  const pilot = new Pilot({ present, order: (verb, args) => orders.push([verb, args]), page: {}, note: () => {} });
  pilot.obey("undo");
  present.state.cursor = 2;
  pilot.obey("undo");
  assert.deepEqual(orders, [["go_to", { position: 2 }]]);
});
