import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, backoff } from "../../app/web/static/connection.js";

class Socket {
  constructor() {
    this.readyState = 1;
    this.sent = [];
  }

  send(bytes) {
    this.sent.push(new Uint8Array(bytes));
  }

  close(code) {
    this.readyState = 3;
    this.code = code;
  }

  json(kind) {
    const texts = this.sent.filter((bytes) => bytes[0] === kind).map((bytes) => new TextDecoder().decode(bytes.slice(1)));
    return texts.map((text) => JSON.parse(text));
  }
}

/** A connection over fake sockets, timers that run when told to, and a clock that stands still. */
function world() {
  const at = { now: 0, sockets: [], told: [], timers: new Map(), next: 1 };
  const clock = {
    setTimeout: (run, ms) => at.timers.set(at.next, { run, ms }) && at.next++,
    setInterval: (run, ms) => at.timers.set(at.next, { run, ms, again: true }) && at.next++,
    clearTimeout: (id) => at.timers.delete(id),
    clearInterval: (id) => at.timers.delete(id),
  };
  at.connection = new Connection({
    url: "ws://here/api/play",
    hello: () => ({ world: "pong", pictures: ["png"] }),
    tell: (name, value) => at.told.push([name, value]),
    socket: () => {
      const socket = new Socket();
      at.sockets.push(socket);
      return socket;
    },
    clock,
    now: () => at.now,
    random: () => 0.5,
  });
  at.socket = () => at.sockets.at(-1);
  at.event = (name, fields) => {
    const text = new TextEncoder().encode(JSON.stringify({ event: name, ...fields }));
    at.socket().onmessage?.({ data: Uint8Array.of(0x82, ...text).buffer });
  };
  at.names = () => at.told.map(([name]) => name);
  at.fire = (again) => {
    for (const [id, timer] of [...at.timers]) {
      if (Boolean(timer.again) !== again) continue;
      if (!again) at.timers.delete(id);
      timer.run();
    }
  };
  return at;
}

function open() {
  const at = world();
  at.connection.open();
  at.socket().onopen();
  at.event("welcome", { session: "s", key: "k1", resumed: false });
  return at;
}

test("waits that do not grow, or grow for ever", () => {
  assert.deepEqual([0, 1, 2, 10].map((attempt) => backoff(attempt, 0.5)), [250, 500, 1000, 5000]);
  assert.ok(backoff(0, 0) < backoff(0, 1), "clients that all come back at the same moment");
});

test("a new page that asks to resume, or forgets what to play", () => {
  const at = open();
  const [hello] = at.socket().json(0x01);
  assert.deepEqual([hello.world, hello.resume, hello.protocol], ["pong", null, 2]);
  assert.equal(at.connection.status, "open");
});

test("a lost connection begins a new session, or uses a key that was spent", () => {
  const at = open();
  at.socket().onclose({ code: 1006 });
  assert.equal(at.connection.status, "waiting");
  at.fire(false);
  at.socket().onopen();
  assert.deepEqual(at.socket().json(0x01)[0].resume, { session: "s", key: "k1" });
  at.event("welcome", { session: "s", key: "k2", resumed: true });
  at.socket().onclose({ code: 1006 });
  at.fire(false);
  at.socket().onopen();
  assert.deepEqual(at.socket().json(0x01)[0].resume, { session: "s", key: "k2" });
});

test("a session that is gone is asked for again and again", () => {
  const at = open();
  at.socket().onclose({ code: 1006 });
  at.fire(false);
  at.socket().onopen();
  at.event("error", { code: "expired", message: "gone", fatal: true });
  assert.ok(at.names().includes("gone"));
  at.socket().onopen();
  assert.equal(at.socket().json(0x01)[0].resume, null);
  assert.equal(at.connection.status, "connecting");
});

test("a server that is full is knocked at for ever", () => {
  const at = world();
  at.connection.open();
  at.socket().onopen();
  at.event("error", { code: "full", message: "all places are taken", fatal: true });
  assert.deepEqual([at.connection.status, at.connection.error.code, at.timers.size], ["failed", "full", 0]);
});

test("replies that answer another order, errors without their code, orders left hanging", async () => {
  const at = open();
  const save = at.connection.order("save", { slot: 1 });
  const load = at.connection.order("load", { slot: 9 });
  const hanging = at.connection.order("step");
  const [one, two] = at.socket().json(0x02);
  at.event("reply", { id: two.id, do: "load", ok: false, error: { code: "unknown_slot", message: "empty" } });
  at.event("reply", { id: one.id, do: "save", ok: true, value: [7] });
  assert.deepEqual(await save, [7]);
  await assert.rejects(load, { code: "unknown_slot", message: "empty" });
  at.socket().onclose({ code: 1006 });
  await assert.rejects(hanging, { code: "lost" });
  await assert.rejects(at.connection.order("step"), { code: "offline" });
});

test("keys pressed without a connection end the page", () => {
  const at = world();
  assert.equal(at.connection.send(new ArrayBuffer(1)), false);
});

test("a page that is left keeps its session for a minute", () => {
  const at = open();
  const socket = at.socket();
  at.connection.close();
  assert.equal(socket.json(0x02).at(-1).do, "bye");
  assert.deepEqual([socket.code, at.connection.status, at.timers.size], [1000, "closed", 0]);
});

test("a session taken over elsewhere is taken back at once, for ever to and fro", () => {
  const at = open();
  at.event("bye", { reason: "resumed elsewhere" });
  assert.equal(at.connection.status, "failed");
  assert.equal(at.timers.size, 0);
});

test("a server that is started again is not found again", () => {
  const at = open();
  at.event("bye", { reason: "closing", message: "The server goes down" });
  at.socket().onclose({ code: 1001 });
  assert.equal(at.connection.status, "waiting");
});

test("a dead line looks alive, or a sleeping page's slow timers make a live one dead", () => {
  const at = open();
  at.now = 2000;
  at.fire(true);
  at.now = 60000;
  at.socket().onmessage({ data: Uint8Array.of(0x83, ...new Uint8Array(8)).buffer });
  at.now = 60001;
  at.fire(true);
  assert.equal(at.connection.status, "open", "it had been answered");
  at.now = 71002;
  at.fire(true);
  assert.equal(at.connection.status, "waiting", "nothing was heard for longer than ten seconds");
});

test("messages of an old socket reach the new session", () => {
  const at = open();
  const old = at.socket().onmessage;
  at.connection.open();
  const before = at.told.length;
  old({ data: Uint8Array.of(0x82, ...new TextEncoder().encode('{"event":"state"}')).buffer });
  assert.equal(at.told.length, before);
});

test("bytes that are no message keep the page waiting", () => {
  const at = open();
  at.socket().onmessage({ data: Uint8Array.of(0x55).buffer });
  assert.deepEqual([at.connection.status, at.connection.error.code], ["failed", "protocol"]);
});
