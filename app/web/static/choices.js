// What comes next where a key goes through a few choices.

const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 8];
const HORIZONS = [15, 50, 100, 250, 500, 1000, 2500];

/** The speed `change` places after the one nearest to `now`. */
export function nextSpeed(now, change) {
  const away = SPEEDS.map((speed) => Math.abs(speed - now));
  const place = away.indexOf(Math.min(...away)) + change;
  return SPEEDS[Math.min(Math.max(place, 0), SPEEDS.length - 1)];
}

/** The next longer or shorter horizon in frames; null: none. */
export function nextHorizon(now, change) {
  if (change > 0) return now === null ? null : (HORIZONS.find((frames) => frames > now) ?? null);
  return [...HORIZONS].reverse().find((frames) => now === null || frames < now) ?? HORIZONS[0];
}

/** Who plays after `now`, of those the world offers; "again" once something was played. */
export function nextPlayer(now, world, played) {
  const offered = world.controllers ?? [];
  const order = ["human", "agent", "random", "again"].filter((name) => {
    if (name === "human") return true;
    return name === "again" ? played : offered.includes(name);
  });
  const place = order.indexOf(now === "replay" ? "again" : now);
  return order[(place + 1) % order.length];
}
