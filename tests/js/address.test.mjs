import assert from "node:assert/strict";
import { test } from "node:test";

import { filesIn, readAddress, replayAddress, socketAddress } from "../../app/web/static/address.js";

const NONE = { world: null, start: null, seed: null, replay: null };

test("an address without wishes asks for something", () => {
  assert.deepEqual(readAddress("?__theme=dark"), { hello: NONE, orders: [], problems: [] });
});

test("wishes of the command line that get lost on the way", () => {
  const got = readAddress("?world=pong&start=2&seed=42&horizon=100&controller=random&real=1");
  assert.deepEqual(got.hello, { ...NONE, world: "pong", start: 2, seed: 42 });
  const orders = [["horizon", { frames: 100 }], ["controller", { name: "random" }], ["real", { on: true }]];
  assert.deepEqual(got.orders, orders);
  assert.deepEqual(got.problems, []);
});

test("numbers that the server refuses the whole session for", () => {
  for (const seed of ["-1", "1.5", "1e3", "x", "9007199254740992", "0x10"]) {
    const { hello, problems } = readAddress(`?seed=${seed}`);
    assert.equal(hello.seed, null);
    assert.match(problems[0], /seed in the address: got .* expected a whole number/);
  }
  assert.equal(readAddress("?seed=9007199254740991").hello.seed, 2 ** 53 - 1);
  assert.equal(readAddress("?seed=").problems.length, 0);
  assert.equal(readAddress("?controller=god").problems.length, 1);
});

test("a replay link that does not survive its way through an address", () => {
  const link = "AQx-_9";
  const address = new URL(replayAddress("http://127.0.0.1:7860", link));
  assert.equal(readAddress(address.search, address.hash).hello.replay, link);
  assert.equal(readAddress("", `#replay=${link}`).hello.replay, link);
});

test("a page over TLS that asks for an open socket, or another host", () => {
  assert.equal(socketAddress({ protocol: "https:", host: "x:1" }, "/api/play"), "wss://x:1/api/play");
  assert.equal(socketAddress({ protocol: "http:", host: "[::1]:7860" }, "/api/play"), "ws://[::1]:7860/api/play");
});

test("files of a reply that are not downloaded, or an address elsewhere that is", () => {
  const value = { url: "/api/files/a/clip.mp4", name: "clip.mp4", more: [{ url: "/api/files/b/clip.replay.json" }, 3] };
  assert.deepEqual(filesIn(value), ["/api/files/a/clip.mp4", "/api/files/b/clip.replay.json"]);
  assert.deepEqual(filesIn("https://example.org/api/files/a"), []);
  assert.deepEqual(filesIn(null), []);
});

test("a lockstep, or a flagged glitch, that the address asks for in vain", () => {
  const { orders } = readAddress("?world=pong&real=lockstep&against=pong-dreamer");
  assert.deepEqual(orders, [["real", { on: "lockstep", against: "pong-dreamer", episode: null }]]);
  assert.deepEqual(readAddress("?real=lockstep").orders, [["real", { on: "lockstep", against: null, episode: null }]]);
  const under = readAddress("?real=lockstep&episode=heldout%2F000019").orders;
  assert.deepEqual(under, [["real", { on: "lockstep", against: null, episode: "heldout/000019" }]]);
  assert.deepEqual(readAddress("?glitch=pong-1").orders, [["glitch", { name: "pong-1" }]]);
});
