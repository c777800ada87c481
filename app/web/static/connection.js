// The connection to the server: hello, orders and their replies, and resuming after it was lost.

import { decode, encodeBlur, encodeControl, encodeHello, encodePing } from "./protocol.js";

const PING_MS = 2000;
const DEAD_MS = 10000;
const GONE = new Set(["unknown_session", "expired"]);

/** How long to wait before attempt `attempt` (0: the first after a loss), in ms; `random` in 0 to 1 spreads clients. */
export function backoff(attempt, random) {
  return Math.min(250 * 2 ** attempt, 5000) * (0.75 + 0.5 * random);
}

/** An error as the server told it: a short code for programs, a message for people. */
export class PlayError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * One player's connection. status: "connecting", "open", "waiting" (lost, it tries again), "failed" (an error ended it)
 * or "closed". Tells by `tell(name, value)`: "status", "frame" ({header, picture}), "round_trip" (ms), "gone" (the
 * session to resume no longer lives), and every event of the server by its name.
 */
export class Connection {
  /**
   * hello(): world, start, seed, replay and pictures for a new session. Everything else stands in for the browser's own
   * in tests.
   */
  constructor({ url, hello, tell, socket = (at) => new WebSocket(at), clock = globalThis, now, random = Math.random }) {
    Object.assign(this, { url, hello, tell, clock, random });
    this.makeSocket = socket;
    this.now = now ?? (() => performance.now());
    this.status = "closed";
    this.resume = null;
    this.error = null;
    this.attempt = 0;
    this.retryAt = 0;
    this.socket = null;
    this.waiting = new Map();
    this.id = 0;
    this.heard = this.asked = 0;
    this.round_trip = NaN;
    this.timers = {};
  }

  /** Connect, at once. */
  open() {
    this.stopTimers();
    this.dropSocket();
    this.error = null;
    this.become("connecting");
    const socket = this.makeSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.heard = this.asked = this.now();
      socket.send(encodeHello({ ...this.hello(), resume: this.resume }));
      this.timers.ping = this.clock.setInterval(() => this.ping(), PING_MS);
    };
    socket.onmessage = (event) => {
      if (this.socket === socket) this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.ended(event.code);
    };
  }

  /** Leave for good: the server frees the session at once. */
  close() {
    this.stopTimers();
    if (this.status === "open") this.send(encodeControl(this.nextId(), "bye"));
    this.dropSocket(1000);
    this.resume = null;
    this.settle(new PlayError("closed", "The page was closed"));
    this.become("closed");
  }

  /** Send bytes; false where there is no open connection. */
  send(bytes) {
    if (this.status !== "open" || this.socket.readyState > 1) return false;
    this.socket.send(bytes);
    return true;
  }

  /** Give an order; resolves to the reply's value, rejects with a PlayError. */
  order(verb, args = {}) {
    const id = this.nextId();
    let bytes;
    try {
      bytes = encodeControl(id, verb, args);
    } catch (error) {
      return Promise.reject(error);
    }
    if (!this.send(bytes)) return Promise.reject(new PlayError("offline", "Not connected: wait a moment"));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  // -- inside

  receive(data) {
    this.heard = this.now();
    let message;
    try {
      message = decode(data);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (message.kind === "frame") {
      this.tell("frame", message);
    } else if (message.kind === "views") {
      this.tell("views", message);
    } else if (message.kind === "pong") {
      this.round_trip = Math.max(0, this.now() - message.time);
      this.tell("round_trip", this.round_trip);
    } else {
      this.event(message.name, message.fields);
    }
  }

  event(name, fields) {
    if (name === "welcome") {
      this.resume = { session: fields.session, key: fields.key };
      this.attempt = 0;
      this.become("open");
      this.send(encodeBlur(this.now()));
      this.ping();
    } else if (name === "reply") {
      const waiting = this.waiting.get(fields.id);
      this.waiting.delete(fields.id);
      if (fields.ok) waiting?.resolve(fields.value);
      else waiting?.reject(new PlayError(fields.error?.code ?? "internal", fields.error?.message ?? "It failed"));
    } else if (name === "error" && fields.fatal) {
      this.refused(new PlayError(fields.code, fields.message));
      return;
    } else if (name === "bye" && String(fields.reason).includes("elsewhere")) {
      this.fail(new PlayError("bye", fields.message ?? "This session goes on somewhere else"));
    }
    this.tell(name, fields);
  }

  /** The server ends this connection. A session that is gone is begun anew; all else waits for the player. */
  refused(error) {
    if (this.resume !== null && GONE.has(error.code)) {
      this.resume = null;
      this.tell("gone", error);
      this.open();
    } else {
      this.fail(error);
    }
  }

  fail(error) {
    this.stopTimers();
    this.dropSocket();
    this.error = error;
    this.settle(error);
    this.become("failed");
  }

  /** The socket closed. A code of the protocol means that its error went lost on the way. */
  ended(code) {
    if (code >= 4400 && code <= 4499) this.fail(new PlayError("closed", `The server ended the connection (${code})`));
    else this.lost();
  }

  lost() {
    this.stopTimers();
    this.socket = null;
    this.settle(new PlayError("lost", "The connection was lost before the answer came"));
    const wait = backoff(this.attempt, this.random());
    this.attempt += 1;
    this.retryAt = this.now() + wait;
    this.timers.retry = this.clock.setTimeout(() => this.open(), wait);
    this.become("waiting");
  }

  /** Ask for a sign of life. Only a question without any answer counts: timers of a hidden page hardly run. */
  ping() {
    const now = this.now();
    if (this.heard >= this.asked) {
      this.asked = now;
    } else if (now - this.asked > DEAD_MS) {
      this.dropSocket();
      this.lost();
      return;
    }
    this.send(encodePing(now));
  }

  settle(error) {
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  dropSocket(code) {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (socket.readyState < 2) socket.close(code ?? 4000);
  }

  stopTimers() {
    this.clock.clearTimeout(this.timers.retry);
    this.clock.clearInterval(this.timers.ping);
    this.timers = {};
  }

  nextId() {
    this.id += 1;
    return this.id;
  }

  become(status) {
    this.status = status;
    this.tell("status", status);
  }
}
