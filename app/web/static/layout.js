// Sizes and places, without a browser: the picture's scale, the timeline's track, a game pad's buttons.

const ARROWS = ["up", "down", "left", "right"];

/**
 * How large to show a picture: `{scale, width, height}`, scale in whole device pixels a pixel (at least 1), width and
 * height in CSS pixels. room: CSS pixels; density: device pixels a CSS pixel.
 */
export function fit(picture, room, density) {
  const exact = Math.min((room.width * density) / picture.width, (room.height * density) / picture.height);
  const scale = Math.max(1, Math.floor(exact + 1e-6));
  return { scale, width: (scale * picture.width) / density, height: (scale * picture.height) / density };
}

const ENOUGH_PX = 160;

/**
 * How `count` pictures of one size stand beside and below each other in a room: `{columns, scale, width, height}`, in whole
 * device pixels. Pictures beside each other compare best: as many columns as leave each a good size, else those in which
 * they are the largest. Of five, two dreams and their errors beside reality, four are never in a row. gap: between them,
 * above: for the caption of each.
 */
export function arrange(count, picture, room, density, { gap = 8, above = 24 } = {}) {
  const sizes = [];
  for (let columns = count; columns >= 1; columns -= 1) {
    if (count === 5 && columns === 4) continue;
    const rows = Math.ceil((count === 5 && columns === 2 ? 6 : count) / columns);
    const each = { width: (room.width - gap * (columns + 1)) / columns, height: (room.height - gap) / rows - above - gap };
    const { scale, width, height } = fit(picture, each, density);
    const fits = width <= each.width + 1e-6 && height <= each.height + 1e-6;
    sizes.push({ columns, scale, width, height, rank: fits ? scale : 0 });
  }
  const good = sizes.find(({ rank, width }) => rank > 0 && width >= ENOUGH_PX);
  const { columns, scale, width, height } = good ?? sizes.reduce((best, one) => (one.rank > best.rank ? one : best));
  return { columns, scale, width, height };
}

/** Where frame `position` is on a track of `width` pixels that has room for `capacity` frames. */
export function placeOf(position, capacity, width) {
  return (position / Math.max(capacity - 1, 1)) * width;
}

/** The frame, 0 to length - 1, nearest to `x` pixels on the track. */
export function frameAt(x, capacity, width, length) {
  const position = Math.round((x / Math.max(width, 1)) * Math.max(capacity - 1, 1));
  return Math.min(Math.max(position, 0), Math.max(length - 1, 0));
}

/**
 * By how many frames everything on a full timeline has moved to the left since its marks were told. before: the
 * {index, length, cursor} shown then, now: those shown now.
 */
export function drift(before, now) {
  if (!before || before.length !== now.length) return 0;
  const moved = now.index - before.index;
  const atEnd = before.cursor === before.length - 1 && now.cursor === now.length - 1;
  return atEnd && moved > 0 && moved < now.length ? moved : 0;
}

/**
 * The buttons of a world on a game pad: `{arrows: {up: button ...}, actions: [button ...]}`, a button as
 * `{index, name, label}`. A button goes where the arrow key is that presses it, else where its own name says, else to
 * the actions.
 */
export function padOf(world) {
  const buttons = world.buttons.map((name, index) => ({ index, name, label: world.labels?.[index] ?? name }));
  const arrows = {};
  for (const arrow of ARROWS) {
    const index = world.keys?.[arrow];
    if (index !== undefined && buttons[index]) arrows[arrow] = buttons[index];
  }
  const placed = () => new Set(Object.values(arrows).map((button) => button.index));
  for (const button of buttons) {
    const name = button.name.toLowerCase();
    if (ARROWS.includes(name) && !arrows[name] && !placed().has(button.index)) arrows[name] = button;
  }
  const taken = placed();
  return { arrows, actions: buttons.filter((button) => !taken.has(button.index)) };
}

/** A world's buttons with the keys that press them, `{index, keys, label}`, in the order of its keys. */
export function buttonLines(world) {
  const keys = Object.entries(world.keys ?? {});
  const first = (index) => {
    const place = keys.findIndex(([, button]) => button === index);
    return place < 0 ? keys.length + index : place;
  };
  return world.buttons
    .map((name, index) => ({
      index,
      keys: keys.filter(([, button]) => button === index).map(([key]) => key),
      label: world.labels?.[index] ?? name,
    }))
    .sort((one, other) => first(one.index) - first(other.index));
}

/**
 * The arrows meant by a direction, x to the right and y down, each -1 to 1: none within `dead` of the middle, else one,
 * or two where the direction is slanted. `have`: the arrows there are; along one axis only its sign counts.
 */
export function arrowsOf(x, y, have = ARROWS, dead = 0.3) {
  const across = have.includes("left") || have.includes("right");
  const along = have.includes("up") || have.includes("down");
  const wide = across ? x : 0;
  const tall = along ? y : 0;
  const length = Math.hypot(wide, tall);
  if (length < dead) return [];
  const slant = Math.sin(Math.PI / 8) * length;
  const found = [];
  if (Math.abs(tall) > slant) found.push(tall < 0 ? "up" : "down");
  if (Math.abs(wide) > slant) found.push(wide < 0 ? "left" : "right");
  return found.filter((arrow) => have.includes(arrow));
}

/** Buttons of the standard gamepad that steer the page: pause, the next start, rewind while held. */
export const GAMEPAD_COMMANDS = { 9: "pause", 8: "new_start", 4: "rewind" };
const FACES = [0, 1, 2, 3, 5, 6, 7];
const GAMEPAD_ARROWS = { up: 12, down: 13, left: 14, right: 15 };

/**
 * The world's buttons (indices) that a gamepad holds: d-pad or left stick, and its face buttons round and round. analog:
 * the sticks, triggers and buttons move the world's axes instead.
 */
export function gamepadButtons(gamepad, pad, analog = false) {
  const down = (number) => Boolean(gamepad.buttons[number]?.pressed);
  const have = Object.keys(pad.arrows);
  const [x = 0, y = 0] = gamepad.axes;
  const arrows = new Set(analog ? [] : arrowsOf(x, y, have, 0.35));
  for (const arrow of have) if (down(GAMEPAD_ARROWS[arrow])) arrows.add(arrow);
  const held = [...arrows].map((arrow) => pad.arrows[arrow].index);
  FACES.forEach((number, place) => {
    if (!analog && pad.actions.length && down(number)) held.push(pad.actions[place % pad.actions.length].index);
  });
  return [...new Set(held)];
}

const STICKS = [[0, 1], [1, -1], [2, 1], [3, -1]];
const TRIGGERS = [7, 6, 0, 1];

/**
 * How far a gamepad moves each of a world's axes (`{low, high}`), -1 to 1: those that go both ways follow the sticks, up
 * and right being more; those that only grow follow the right trigger, the left one, then the lower and the right button.
 */
export function gamepadAxes(gamepad, axes, dead = 0.12) {
  const sticks = [...STICKS];
  const triggers = [...TRIGGERS];
  return axes.map(({ low }) => {
    if (!(low < 0)) return rounded(gamepad.buttons[triggers.shift()]?.value ?? 0);
    const [number, sign] = sticks.shift() ?? [];
    const lean = sign * (gamepad.axes[number] ?? 0);
    const beyond = Math.max(0, Math.abs(lean) - dead) / (1 - dead);
    return rounded(Math.sign(lean) * Math.min(beyond, 1) || 0);
  });
}

const rounded = (value) => Math.round(value * 50) / 50;

/** The page's commands that a gamepad holds. */
export function gamepadCommands(gamepad) {
  return Object.keys(GAMEPAD_COMMANDS)
    .filter((number) => gamepad.buttons[number]?.pressed)
    .map((number) => GAMEPAD_COMMANDS[number]);
}
