import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as protocol from "../../app/web/static/protocol.js";

const golden = JSON.parse(readFileSync(new URL("../golden/protocol/messages.json", import.meta.url)));
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)).buffer;
const hexOf = (buffer) => Buffer.from(buffer).toString("hex");

const ENCODE = {
  HELLO: (value) => protocol.encodeHello(value),
  CONTROL: ({ id, do: verb, ...args }) => protocol.encodeControl(id, verb, args),
  KEY: ({ down, button, time }) => protocol.encodeKey(down, button, time),
  MOUSE: ({ dx, dy, time }) => protocol.encodeMouse(dx, dy, time),
  BLUR: ({ time }) => protocol.encodeBlur(time),
  ACK: ({ seq }) => protocol.encodeAck(seq),
  PING: ({ time }) => protocol.encodePing(time),
  AXIS: ({ axis, value, time }) => protocol.encodeAxis(axis, value, time),
};

test("a client of another protocol than the server's messages are of would be refused by it", () => {
  assert.equal(protocol.PROTOCOL, golden.protocol);
});

test("messages of the client that the server's own encoder writes otherwise", () => {
  for (const { kind, hex, value } of golden.client) {
    const bytes = ENCODE[kind](value);
    if (kind === "HELLO" || kind === "CONTROL") {
      const json = (buffer) => JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 1)));
      assert.equal(new Uint8Array(bytes)[0], new Uint8Array(bytesOf(hex))[0], kind);
      assert.deepEqual(json(bytes), json(bytesOf(hex)));
    } else {
      assert.equal(hexOf(bytes), hex, kind);
    }
  }
  assert.deepEqual([...new Set(golden.client.map(({ kind }) => kind))].sort(), Object.keys(ENCODE).sort());
});

test("a field of a frame's header read from the wrong bytes", () => {
  const frames = golden.server.filter(({ kind }) => kind === "FRAME");
  assert.ok(frames.length >= 2);
  for (const { hex, value } of frames) {
    const { kind, header, picture } = protocol.decode(bytesOf(hex));
    const { picture: told, ...fields } = value;
    assert.equal(kind, "frame");
    assert.equal(Buffer.from(picture).toString("hex"), told);
    for (const [name, expected] of Object.entries(fields)) {
      const got = Number.isNaN(header[name]) ? null : header[name];
      assert.ok(got === expected || Object.is(Math.fround(expected), got), `${name}: got ${got}, expected ${expected}`);
    }
    assert.deepEqual(Object.keys(header).sort(), Object.keys(fields).sort());
  }
});

test("an event or pong that does not come out as it was sent", () => {
  for (const { kind, hex, value } of golden.server) {
    const message = protocol.decode(bytesOf(hex));
    if (kind === "EVENT") {
      assert.deepEqual({ event: message.name, ...message.fields }, value);
    } else if (kind === "VIEWS") {
      const { data, ...rest } = message;
      assert.deepEqual({ ...rest, data: Buffer.from(data).toString("hex") }, { kind: "views", ...value });
    } else if (kind === "PONG") {
      assert.deepEqual(message, { kind: "pong", time: value.time });
    }
  }
});

test("damaged bytes that end the page instead of being told as an error", () => {
  const damaged = ["", "00", "81", "8101", "82", "827b", "825b5d", "826e756c6c", "827b7d", "82ff", "8300"];
  for (const hex of [...damaged, `81${"09".repeat(80)}`]) assert.throws(() => protocol.decode(bytesOf(hex)), protocol.ProtocolError, hex);
});

test("an order that the server would hang up on for its size is sent", () => {
  const link = "x".repeat(protocol.MAX_MESSAGE);
  assert.throws(() => protocol.encodeControl(1, "replay", { link }), protocol.ProtocolError);
  assert.doesNotThrow(() => protocol.encodeControl(1, "replay", { link: "x".repeat(60000) }));
});

test("a mouse flick beyond what one message may carry is refused by the server", () => {
  const view = new DataView(protocol.encodeMouse(1e6, -1e6, 1));
  assert.deepEqual([view.getFloat32(1, true), view.getFloat32(5, true)], [10000, -10000]);
});
