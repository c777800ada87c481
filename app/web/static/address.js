// What the page's address asks for, and the address of a replay.

const MOST = 2 ** 53 - 1;
const CONTROLLERS = ["human", "random", "agent", "again"];

/**
 * The wishes in a page's address: `{hello: {world, start, seed, replay}, orders: [[verb, args] ...], problems: [text]}`.
 * search, hash: as of `location`. What is not valid is left out, and told in `problems`.
 */
export function readAddress(search, hash = "") {
  const query = new URLSearchParams(search);
  const inHash = new URLSearchParams(hash.replace(/^#/, ""));
  const problems = [];
  const whole = (name, low, high) => {
    const text = query.get(name);
    if (text === null || text === "") return null;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= low && value <= high) return value;
    problems.push(`${name} in the address: got ${text.slice(0, 40)}, expected a whole number from ${low} to ${high}`);
    return null;
  };
  const hello = {
    world: query.get("world") || null,
    start: whole("start", 0, 2 ** 31 - 1),
    seed: whole("seed", 0, MOST),
    replay: query.get("replay") || inHash.get("replay") || null,
  };
  const orders = [];
  const horizon = whole("horizon", 1, 10_000_000);
  if (horizon !== null) orders.push(["horizon", { frames: horizon }]);
  const controller = query.get("controller");
  if (CONTROLLERS.includes(controller)) {
    if (controller !== "human") orders.push(["controller", { name: controller }]);
  } else if (controller) {
    const expected = CONTROLLERS.join(", ");
    problems.push(`controller in the address: got ${controller.slice(0, 40)}, expected one of ${expected}`);
  }
  if (["1", "true", "yes", "on"].includes(query.get("real"))) orders.push(["real", { on: true }]);
  if (query.get("real") === "lockstep") {
    const [against, episode] = [query.get("against") || null, query.get("episode") || null];
    orders.push(["real", { on: "lockstep", against, episode }]);
  }
  if (query.get("glitch")) orders.push(["glitch", { name: query.get("glitch") }]);
  return { hello, orders, problems };
}

/** The address that plays a replay link's text. */
export function replayAddress(origin, link) {
  return `${origin}/?replay=${encodeURIComponent(link)}`;
}

/** The WebSocket's address on the host that the page came from; `location` as the browser's. */
export function socketAddress(location, path) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}

/** Every file's address somewhere inside a reply's value, in order. */
export function filesIn(value) {
  if (typeof value === "string") return value.startsWith("/api/files/") ? [value] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(filesIn);
}
