import assert from "node:assert/strict";
import { test } from "node:test";

import { groupsOf, sequencesOf } from "../../app/web/static/bench.js";
import { checksOf, isChecklist } from "../../app/web/static/checkcard.js";
import { alarmsOf } from "../../app/web/static/faults.js";
import { PLOTTED, figureOf, isShaded, linesOf, niceTop } from "../../app/web/static/figures.js";
import { bandOf } from "../../app/web/static/inspector.js";
import { hintOf } from "../../app/web/static/hints.js";
import { Looks } from "../../app/web/static/looks.js";
import { Queue } from "../../app/web/static/plots.js";
import { withoutRuns } from "../../app/web/static/timeline.js";
import { placeOfPart } from "../../app/web/static/side.js";

const THEME = { dark: false, text: "#111", muted: "#555", line: "#ccc" };
const figure = (view, values, width = 320) => figureOf({ labels: [], columns: [], ...view }, Float32Array.from(values), THEME, width);

test("curves that run the wrong way, are drawn across what is missing, or mix up their lines", () => {
  const view = { kind: "curves", shape: [2, 3], labels: ["a", "b"], columns: ["steps ago", "dB"] };
  const { data, layout } = figure(view, [1, NaN, 3, 4, 5, Infinity]);
  assert.deepEqual(data.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(data[0].x, [-2, -1, 0], "the last one is now");
  assert.deepEqual(data[0].y, [1, null, 3]);
  assert.deepEqual(data[1].y, [4, 5, 5], "what is alike stands at the top");
  assert.equal(data[0].connectgaps, false);
  assert.deepEqual([layout.xaxis.title.text, layout.yaxis.title.text], ["steps ago", "dB"]);
  assert.notEqual(data[0].line.color, data[1].line.color);
  assert.deepEqual(figure({ ...view, columns: ["steps ahead", "dB"] }, [1, 2, 3, 4, 5, 6]).data[0].x, [1, 2, 3]);
});

test("lines of a dream and of what is real that look alike, or have nothing in common", () => {
  const lines = linesOf(["UP dream", "UP real", "DOWN dream", "DOWN real"], 4, true);
  assert.equal(lines[0].colour, lines[1].colour);
  assert.notEqual(lines[0].colour, lines[2].colour);
  assert.deepEqual(lines.map(({ dash }) => dash), ["solid", "dash", "solid", "dash"]);
  assert.deepEqual(lines.map(({ name }) => name), ["UP", "", "DOWN", ""], "a legend names each action once");
  assert.deepEqual(linesOf(["UP real"], 1, true).map(({ name }) => name), ["UP"]);
  assert.deepEqual(linesOf(["real", "dream"], 2, true).map(({ name, dash }) => name + dash), ["realsolid", "dreamsolid"]);
  const looks = linesOf(Array.from({ length: 12 }, (_, k) => `line ${k}`), 12, false).map(({ colour, dash }) => colour + dash);
  assert.equal(new Set(looks).size, 12);
});

test("episodes to play under in a heap, or named by more zeros than numbers", () => {
  const groups = groupsOf(["train/000008", "heldout/000019", "heldout/000000", "file/my-own"]);
  assert.deepEqual(groups.map(([title, names]) => [title, names.map(([name]) => name)]), [
    ["held-out episodes", ["heldout/000019", "heldout/000000"]],
    ["episodes trained on", ["train/000008"]],
    ["files", ["file/my-own"]],
  ]);
  assert.deepEqual(groups.flatMap(([, names]) => names.map(([, text]) => text)), ["episode 19", "episode 0", "episode 8", "episode my-own"]);
});

test("a path whose cloud, past and present are taken for each other", () => {
  const points = [[9, 9, 0], [1, 1, 1], [8, 8, 0], [2, 2, 1], [3, 3, 2], [NaN, 1, 1]];
  const { data } = figure({ kind: "path", shape: [6, 3], columns: ["x", "y"] }, points.flat());
  assert.deepEqual(data.map(({ x }) => x), [[9, 8], [1, 2, 3], [3]]);
  const bare = figure({ kind: "path", shape: [1, 3] }, [5, 6, 2]);
  assert.deepEqual(bare.data.map(({ name }) => name), ["the last steps", "now"], "nothing is drawn of no cloud");
});

test("a heat map upside down, or whose scale jumps with every frame", () => {
  const { data, layout } = figure({ kind: "heat_map", shape: [2, 3] }, [0, 1, 2, 3, 4, NaN]);
  assert.deepEqual(data[0].z, [[0, 1, 2], [3, 4, null]]);
  assert.ok(layout.yaxis.range[0] > layout.yaxis.range[1], "row 0 is at the top");
  assert.deepEqual([data[0].zmin, data[0].zmax], [0, 5]);
  assert.deepEqual([0.11, 0.2, 0.21, 1, 3, 49, 50, 51, 0, NaN].map(niceTop), [0.2, 0.2, 0.5, 1, 5, 50, 50, 100, 1, 1]);
});

test("a matrix whose rows are its columns, or colours that compare pixels with shares", () => {
  const view = { kind: "matrix", shape: [2, 2], labels: ["UP", "DOWN"], columns: ["up", "down"] };
  const { data, layout } = figure(view, [1, 0, NaN, 0.25]);
  assert.deepEqual(layout.yaxis.ticktext, ["UP", "DOWN"]);
  assert.deepEqual(layout.xaxis.ticktext, ["up", "down"]);
  assert.deepEqual(data[0].text, [["1", "0"], ["–", "0.25"]]);
  assert.ok(layout.yaxis.range[0] > layout.yaxis.range[1], "row 0 is at the top");
  const small = figure(view, [1.01, 0.002684, 0.34567, -12.3456]);
  assert.deepEqual(small.data[0].text, [["1", "0"], ["0.3", "−12.3"]], "no number is wider than its cell");
  assert.equal(isShaded({ shape: [2, 3] }, [0, 0.5, 1, NaN]), true);
  assert.equal(isShaded({ shape: [2, 3] }, [31, 0.5, 1]), false);
  assert.equal(isShaded({ shape: [3, 3] }, [31, 0.5, 1]), true);
  assert.ok(figure({ kind: "matrix", shape: [18, 18] }, Array(324).fill(1)).height < 600);
});

test("every plotted kind lives through nothing at all", () => {
  for (const [kind, shape] of [["curves", [1, 1]], ["path", [1, 3]], ["heat_map", [1, 1]], ["matrix", [1, 1]]]) {
    assert.ok(PLOTTED.has(kind));
    const { data, layout, height } = figure({ kind, shape }, Array(shape[0] * shape[1]).fill(NaN));
    assert.ok(Array.isArray(data) && height > 0 && layout.margin);
    assert.doesNotThrow(() => JSON.stringify({ data, layout }));
  }
});

test("plots that take the time that play needs, or one that is never drawn", () => {
  let now = 0;
  const later = [];
  const queue = new Queue({ now: () => now, later: (run, ms) => later.push([run, ms]) });
  const drawn = [];
  const card = (name, cost) => ({ drawnAt: -Infinity, render: () => { drawn.push(name); now += cost; } });
  const [slow, quick] = [card("slow", 100), card("quick", 1)];
  queue.ask(slow);
  queue.ask(quick);
  assert.equal(later.length, 1);
  later.shift()[0]();
  assert.deepEqual(drawn, ["slow"], "the other waits until play had its turn");
  later.shift()[0]();
  assert.deepEqual(drawn, ["slow", "quick"]);
  queue.ask(slow);
  later.shift()[0]();
  assert.deepEqual(drawn, ["slow", "quick"], "at most four times a second");
  now += 250;
  later.shift()[0]();
  assert.deepEqual(drawn, ["slow", "quick", "slow"]);
  queue.ask(quick);
  queue.forget(quick);
  later.shift()?.[0]();
  assert.equal(drawn.length, 3, "what is gone is not drawn");
});

test("a view in the wrong band: an answer lost among what is seen all the time", () => {
  const asked = new Set(["unsure"]);
  assert.equal(bandOf({ name: "unsure", kind: "heat_map" }, asked), "asked");
  assert.equal(bandOf({ name: "every action", kind: "picture_grid" }, asked), "asked");
  assert.equal(bandOf({ name: "moving error", kind: "heat_map" }, asked), "beside");
  assert.equal(bandOf({ name: "nearest real", kind: "film_strip" }, asked), "beside");
  assert.equal(bandOf({ name: "denoising", kind: "film_strip" }, asked), "inside");
  assert.equal(bandOf({ name: "stoch", kind: "one_hot_grid" }, asked), "inside");
});

test("sequences that are read as other actions, or without bounds", () => {
  const actions = ["NOOP", "FIRE", "RIGHT"];
  assert.deepEqual(sequencesOf("right*2 noop\n\n fire, noop", actions).sequences, [["RIGHT", "RIGHT", "NOOP"], ["FIRE", "NOOP"]]);
  for (const bad of ["jump", "RIGHT*", "*3", "RIGHT*999", "", "RIGHT*20 NOOP*20", Array(9).fill("NOOP").join("\n")]) {
    const { sequences, problem } = sequencesOf(bad, actions);
    assert.deepEqual(sequences, [], bad);
    assert.ok(problem, bad);
  }
});

test("faults that are hidden below what was not found", () => {
  const view = { kind: "matrix", shape: [3, 1], labels: ["frozen", "end missed: 2 of 3: all", "late"], columns: ["found"] };
  assert.ok(isChecklist(view) && !isChecklist({ ...view, columns: ["a"] }) && !isChecklist({ kind: "curves", columns: ["found"] }));
  const checks = checksOf(view, Float32Array.of(0, 1, 0));
  assert.deepEqual(checks.map(({ name }) => name), ["end missed", "frozen", "late"]);
  assert.equal(checks[0].text, "2 of 3: all");
});

test("a mismatch that lasts, drawn as a wall of marks, or not at all", () => {
  const marks = [[3, "reward"], [3, "reward_mismatch"], [4, "reward_mismatch"], [5, "reward_mismatch"], [4, "reward"], [9, "reward_mismatch"], [5, "end_mismatch"]];
  const drawn = withoutRuns(marks).map(String);
  assert.deepEqual(drawn, ["3,reward", "3,reward_mismatch", "4,reward", "9,reward_mismatch", "5,end_mismatch"]);
});

test("alarms that break the page, or lose their text", () => {
  assert.deepEqual(alarmsOf({ alarms: [["frozen", "Nothing moves", 12]] }), [{ name: "frozen", text: "Nothing moves", since: 12 }]);
  for (const bad of [undefined, {}, { alarms: null }, { alarms: [null, [3]] }]) assert.deepEqual(alarmsOf(bad), []);
});

test("an error that stands below the other dream", () => {
  const places = Array.from({ length: 5 }, (_, k) => placeOfPart(k, 5, 3));
  assert.equal(places[1].gridColumn, places[2].gridColumn);
  assert.equal(places[3].gridColumn, places[4].gridColumn);
  assert.deepEqual([places[0].gridRow, places[2].gridRow, places[4].gridRow], ["1", "2", "2"]);
  assert.deepEqual(placeOfPart(1, 3, 3), { gridColumn: "auto", gridRow: "auto" });
});

test("a hint of another view, or none for the second dream", () => {
  assert.ok(hintOf("drift").includes("anchor"));
  assert.equal(hintOf("pong-dreamer: moving error"), hintOf("moving error"));
  assert.equal(hintOf("stoch"), "");
  assert.equal(hintOf("pong: stoch"), "");
});

test("a look inside that is shown with another frame, or never", () => {
  const looks = new Looks();
  const view = { name: "v", kind: "scalar", shape: [], offset: 0, bytes: 4 };
  const message = (seq) => ({ seq, views: [view], data: new Uint8Array(4) });
  assert.equal(looks.of(1), null, "a frame without one");
  looks.hear(message(3));
  assert.equal(looks.of(2), undefined, "an older frame: not yet");
  assert.equal(looks.of(3)[0].view, view);
  assert.equal(looks.of(4), null, "shown once");
  looks.hear(message(5));
  assert.equal(looks.of(6), null, "of a frame that was skipped");
  looks.hear(message(7));
  looks.begin();
  assert.equal(looks.of(7), null, "of another connection");
});
