// Where a world is played: in the dream, in the real game, or with both.

/** In words, and as the order "real" names it, by place. */
export const PLACES = {
  dream: "The dream",
  real: "The real game",
  grounded: "The dream, told what the real game does",
  lockstep: "Lockstep: the real game and the dream side by side",
};
export const ORDERED = { dream: false, real: true, grounded: "grounded", lockstep: "lockstep" };

/** Where a world can be played, of "dream", "real", "grounded" and "lockstep". */
export function placesOf(world) {
  return Object.keys(PLACES).filter((place) => place === "dream" || Boolean(world?.[place]));
}

/** The place after `now`, of those the world offers. */
export function nextPlace(now, world) {
  const places = placesOf(world);
  return places[(places.indexOf(now) + 1) % places.length];
}

/**
 * Which world stands beside the dream in lockstep, or null: the one wished for where the world knows it; one in any case
 * where there is no real game to stand beside.
 */
export function besideOf(wished, world) {
  const rivals = world?.rivals ?? [];
  if (wished && rivals.includes(wished)) return wished;
  return world?.real ? null : (rivals[0] ?? null);
}
