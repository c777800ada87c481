import assert from "node:assert/strict";
import { test } from "node:test";

import { Present, badgeOf, overlayOf, titleOf } from "../../app/web/static/present.js";

const frame = (changes = {}) => ({
  index: 9, cursor: 9, length: 10, total: 2, paused: false, rewinding: false, replaying: false, terminated: false,
  truncated: false, real: false, ...changes,
});
const OPEN = { status: "open", error: null, retryAt: 0 };

function playing(changes) {
  const present = new Present();
  present.begin({ world: { name: "pong", fps: 10 } });
  present.hear(frame(changes));
  present.take(frame(changes));
  return present;
}

test("a frame that was drawn late undoes the pause that was told meanwhile", () => {
  const present = playing();
  present.hear(frame());
  present.takeState({ paused: true, marks: [] }, 0);
  present.take(frame());
  assert.equal(present.mode, "paused");
});

test("modes mixed up: a pause at the end of an episode is its end, rewinding goes before all", () => {
  assert.equal(playing().mode, "playing");
  assert.equal(playing({ paused: true }).mode, "paused");
  assert.equal(playing({ paused: true, truncated: true }).mode, "ended");
  assert.equal(playing({ paused: true, rewinding: true }).mode, "rewinding");
  assert.equal(playing({ replaying: true }).mode, "replaying");
});

test("a game in play that something lies over, or a page that hides what is wrong", () => {
  assert.equal(overlayOf(playing(), OPEN, 0), null);
  assert.equal(overlayOf(playing({ paused: true }), OPEN, 0), null);
  assert.equal(overlayOf(new Present(), OPEN, 0).kind, "opening");
  assert.equal(overlayOf(playing({ paused: true, terminated: true }), OPEN, 0).kind, "ended");
  const waiting = overlayOf(playing(), { status: "waiting", retryAt: 2500 }, 1000);
  assert.deepEqual([waiting.kind, waiting.text], ["lost", "Trying again in 2 s."]);
  const failed = overlayOf(playing(), { status: "failed", error: { code: "full", message: "16 of 16 play" } }, 0);
  assert.deepEqual([failed.title, failed.text], ["All places are taken", "16 of 16 play"]);
  assert.equal(failed.actions[0].command, "reconnect");
  const old = overlayOf(playing(), { status: "failed", error: { code: "version", message: "" } }, 0);
  assert.equal(old.actions[0].command, "reload", "trying again with the same page cannot help");
});

test("a world that is being opened looks like a game that hangs", () => {
  const present = playing();
  present.opening = "freeway";
  assert.match(overlayOf(present, OPEN, 0).text, /freeway/);
});

test("a session that sleeps says nothing, or a short nap flickers", () => {
  const present = playing();
  present.takeState({ paused: false, asleep: ["idle"] }, 1000);
  assert.equal(overlayOf(present, OPEN, 1100), null);
  assert.equal(overlayOf(present, OPEN, 3000).actions[0].command, "wake");
  present.takeState({ paused: false, asleep: [] }, 3100);
  assert.equal(overlayOf(present, OPEN, 9000), null);
});

test("a replay that came out otherwise is praised", () => {
  const text = (playback) => {
    const present = playing({ paused: true });
    present.playback = playback;
    return overlayOf(present, OPEN, 0).text;
  };
  assert.match(text({ frames: 9, different: 0, complete: true, same: true }), /^Every one of its 9 frames/);
  assert.equal(text({ frames: 9, different: 0, complete: true, same: null }), "9 frames.", "nobody compared them");
  assert.match(text({ frames: 9, different: 2, complete: true }), /^2 of its 9 frames are not/);
  assert.match(text({ frames: 9, different: 0, complete: true, same: false }), /^Not every frame/);
  assert.match(text({ frames: 9, different: 0, complete: false }), /not to its end/);
});

test("the end of a replay lies over the game that goes on", () => {
  const present = playing({ paused: true });
  present.playback = { frames: 9, different: 0 };
  present.hear(frame());
  assert.equal(present.playback, null);
});

test("the badge of a game that was rewound tells another distance", () => {
  assert.deepEqual(badgeOf(playing({ paused: true, cursor: 4 }), 10), { mode: "paused", text: "Paused · 0.5 s back" });
  assert.equal(badgeOf(playing({ rewinding: true, cursor: 0 }), 10).text, "Rewound 0.9 s");
  assert.equal(badgeOf(playing(), 10), null);
});

test("a world without a title is called by its file's name", () => {
  assert.equal(titleOf({ name: "ms_pacman-small" }), "Ms Pacman Small");
  assert.equal(titleOf({ name: "pong", title: "Pong" }), "Pong");
});

test("how a replay went lies over the picture of a player who has gone elsewhere since", () => {
  for (const verb of ["edit", "step", "go_to", "rewind", "load"]) {
    const present = playing({ paused: true });
    present.playback = { frames: 9, same: true };
    present.ask("inspect");
    assert.equal(overlayOf(present, OPEN, 0).kind, "replayed");
    present.ask(verb);
    assert.equal(overlayOf(present, OPEN, 0), null, verb);
  }
});
