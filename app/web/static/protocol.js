// Bytes to messages and back: the client's side of docs/protocol.md. Fields are named as there.

export const PROTOCOL = 2;
export const PATH = "/api/play";
export const MAX_MESSAGE = 65536;
export const HEADER_BYTES = 72;
const MAX_MOTION = 10000;

const HELLO = 0x01, CONTROL = 0x02, KEY = 0x03, MOUSE = 0x04, BLUR = 0x05, ACK = 0x06, PING = 0x07;
const AXIS = 0x08;
const FRAME = 0x81, EVENT = 0x82, PONG = 0x83, VIEWS = 0x84;
const CODECS = { 1: "png", 2: "webp", 3: "jpeg" };
const FLAGS = ["paused", "rewinding", "terminated", "truncated", "real", "replaying", "grounded", "lockstep"];
const ALARMS = ["late", "dropped"];
const WIDE = ["seq", "index", "cursor", "length"];
const NARROW = ["width", "height", "branch", "branches"];
const FLOATS = ["model_ms", "encode_ms", "queue_ms", "fps", "reward", "total", "speed"];

/** Bytes that are no message of this protocol. */
export class ProtocolError extends Error {
  constructor(message) {
    super(`${message}; this page speaks protocol ${PROTOCOL}, reload it to get the one that fits`);
    this.code = "protocol";
  }
}

/** The first message of a connection. fields: world, start, seed, replay, resume, pictures; null or absent: none. */
export function encodeHello({ world = null, start = null, seed = null, replay = null, resume = null, pictures }) {
  return encodeText(HELLO, { protocol: PROTOCOL, world, start, seed, replay, resume, pictures });
}

/** An order; it is answered by a reply event with the same id. Throws ProtocolError when it is too large to send. */
export function encodeControl(id, verb, args = {}) {
  const bytes = encodeText(CONTROL, { ...args, id, do: verb });
  if (bytes.byteLength > MAX_MESSAGE) {
    throw new ProtocolError(`${verb}: got ${bytes.byteLength} bytes, expected at most ${MAX_MESSAGE}`);
  }
  return bytes;
}

/** A button of the world (by index) went down or up at `time`, ms of performance.now(). */
export function encodeKey(down, button, time) {
  const view = new DataView(new ArrayBuffer(11));
  view.setUint8(0, KEY);
  view.setUint8(1, down ? 1 : 0);
  view.setUint8(2, button);
  view.setFloat64(3, time, true);
  return view.buffer;
}

/** Mouse motion in pixels, x to the right and y down, kept within what one message may carry. */
export function encodeMouse(dx, dy, time) {
  const view = new DataView(new ArrayBuffer(17));
  view.setUint8(0, MOUSE);
  view.setFloat32(1, Math.max(-MAX_MOTION, Math.min(MAX_MOTION, dx)), true);
  view.setFloat32(5, Math.max(-MAX_MOTION, Math.min(MAX_MOTION, dy)), true);
  view.setFloat64(9, time, true);
  return view.buffer;
}

/** A stick leans: the world's axis (by index) stands at `value`, -1 to 1. */
export function encodeAxis(axis, value, time) {
  const view = new DataView(new ArrayBuffer(14));
  view.setUint8(0, AXIS);
  view.setUint8(1, axis);
  view.setFloat32(2, Math.max(-1, Math.min(1, value)), true);
  view.setFloat64(6, time, true);
  return view.buffer;
}

/** All buttons are let go. */
export const encodeBlur = (time) => encodeTime(BLUR, time);

/** A question for the round trip's time. */
export const encodePing = (time) => encodeTime(PING, time);

/** Frame `seq` was drawn. */
export function encodeAck(seq) {
  const view = new DataView(new ArrayBuffer(5));
  view.setUint8(0, ACK);
  view.setUint32(1, seq, true);
  return view.buffer;
}

/**
 * The message in a server's bytes (an ArrayBuffer): `{kind: "frame", header, picture}`, `{kind: "event", name, fields}`,
 * `{kind: "views", seq, views, data}` or `{kind: "pong", time}`. Throws ProtocolError.
 */
export function decode(buffer) {
  const view = new DataView(buffer);
  const kind = view.byteLength ? view.getUint8(0) : null;
  if (kind === FRAME) return decodeFrame(view);
  if (kind === EVENT) return decodeEvent(buffer);
  if (kind === VIEWS) return decodeViews(view);
  if (kind === PONG && view.byteLength === 9) return { kind: "pong", time: view.getFloat64(1, true) };
  throw new ProtocolError(`message: got the kind ${kind} in ${view.byteLength} bytes, expected a frame, event or pong`);
}

function decodeFrame(view) {
  if (view.byteLength < HEADER_BYTES) {
    throw new ProtocolError(`frame: got ${view.byteLength} bytes, expected a header of ${HEADER_BYTES} and a picture`);
  }
  const codec = CODECS[view.getUint8(1)];
  if (codec === undefined) {
    throw new ProtocolError(`frame: got the picture format ${view.getUint8(1)}, expected 1, 2 or 3`);
  }
  const header = { codec };
  FLAGS.forEach((name, bit) => (header[name] = Boolean((view.getUint16(2, true) >> bit) & 1)));
  ALARMS.forEach((name, bit) => (header[name] = Boolean((view.getUint32(4, true) >> bit) & 1)));
  WIDE.forEach((name, k) => (header[name] = view.getUint32(8 + 4 * k, true)));
  NARROW.forEach((name, k) => (header[name] = view.getUint16(24 + 2 * k, true)));
  const echo = view.getFloat64(32, true);
  header.echo = Number.isNaN(echo) ? null : echo;
  FLOATS.forEach((name, k) => (header[name] = view.getFloat32(40 + 4 * k, true)));
  header.batch = view.getUint16(68, true);
  return { kind: "frame", header, picture: new Uint8Array(view.buffer, HEADER_BYTES) };
}

function decodeViews(view) {
  const size = view.byteLength >= 5 ? view.getUint32(1, true) : Infinity;
  if (5 + size > view.byteLength) {
    throw new ProtocolError(`views: got ${view.byteLength} bytes, expected a length, as many of JSON, and the values`);
  }
  const { seq, views } = parsed("views", new Uint8Array(view.buffer, 5, size));
  const data = new Uint8Array(view.buffer, 5 + size);
  const whole = (number) => Number.isInteger(number) && number >= 0;
  const fits = (one) => whole(one?.offset) && whole(one?.bytes) && one.offset + one.bytes <= data.byteLength;
  if (!whole(seq) || !Array.isArray(views) || !views.every(fits)) {
    throw new ProtocolError("views: got views without their values, expected seq, and of each view its part of them");
  }
  return { kind: "views", seq, views, data };
}

function parsed(what, bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) ?? {};
  } catch (error) {
    throw new ProtocolError(`${what}: got no valid JSON (${error.message}), expected an object`);
  }
}

function decodeEvent(buffer) {
  const fields = parsed("event", new Uint8Array(buffer, 1));
  if (typeof fields !== "object" || typeof fields.event !== "string") {
    throw new ProtocolError("event: got JSON without an event's name, expected an object with one");
  }
  const { event: name, ...rest } = fields;
  return { kind: "event", name, fields: rest };
}

function encodeTime(kind, time) {
  const view = new DataView(new ArrayBuffer(9));
  view.setUint8(0, kind);
  view.setFloat64(1, time, true);
  return view.buffer;
}

function encodeText(kind, fields) {
  const text = new TextEncoder().encode(JSON.stringify(fields));
  const bytes = new Uint8Array(1 + text.byteLength);
  bytes[0] = kind;
  bytes.set(text, 1);
  return bytes.buffer;
}
