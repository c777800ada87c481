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
 * What stands in the lockstep of a world beside its dream, as the order "real" names it: `{against, episode}`, each may be
 * null. wishes: the same, as wished for; what the world does not know is left out. Where there is no real game the first
 * other world stands beside, or the first episode.
 */
export function besideOf(wishes, world) {
  const [rivals, episodes] = [world?.rivals ?? [], world?.episodes ?? []];
  const known = (wish, names) => (wish && names.includes(wish) ? wish : null);
  const alone = !world?.real && rivals.length === 0;
  const episode = known(wishes?.episode, episodes) ?? (alone ? (episodes[0] ?? null) : null);
  const against = known(wishes?.against, rivals) ?? (world?.real || episode ? null : (rivals[0] ?? null));
  return { against, episode };
}
