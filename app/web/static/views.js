// What a look inside a world holds, and how each kind of view is drawn, as plain data. Without a browser.

const TYPES = new Set(["png", "webp", "jpeg"]);
const DARK = [16, 20, 26];
const COLD = [86, 180, 233], HOT = [240, 136, 74], LIT = [255, 214, 102];
const HUES = [
  [86, 180, 233], [230, 159, 0], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167], [187, 187, 187],
];
const BAR = 48;

/** The values of a view: a typed array, or for pictures the bytes of their file. view, data: of a VIEWS message. */
export function valuesOf(view, data) {
  const bytes = data.slice(view.offset, view.offset + view.bytes);
  return TYPES.has(view.type) || view.type === "u1" ? bytes : new Float32Array(bytes.buffer);
}

/**
 * The views of a look inside, each with the bytes it lies in: `[{view, data}]`. kept: a Map by name of those of the look
 * before, which is brought up to date; a view that is the same as there was sent without its values.
 */
export function looksOf({ views, data }, kept) {
  const looks = views.map((view) => (view.same ? kept.get(view.name) : { view, data })).filter(Boolean);
  kept.clear();
  for (const look of looks) kept.set(look.view.name, look);
  return looks;
}

/** Columns and rows of cells in the picture of a view, one value each; null where it is no grid of cells. */
export function cellsOf({ kind, shape }) {
  if (kind === "one_hot_grid" || kind === "token_grid") return { columns: shape[1], rows: shape[0] };
  if (kind === "vector") return { columns: Math.max(1, shape[0]), rows: 1 };
  if (kind !== "feature_maps") return null;
  const [count, height, width] = shape;
  const across = tilesAcross(count, width, height);
  return { columns: across * (width + 1) - 1, rows: Math.ceil(count / across) * (height + 1) - 1, across };
}

/** How many maps stand side by side, so that all of them together are about twice as wide as tall. */
export function tilesAcross(count, width, height) {
  return Math.max(1, Math.min(count, Math.ceil(Math.sqrt((2 * count * height) / width))));
}

/** The index of the value at a place in a view's picture, x and y from 0 to 1; null where there is none. */
export function indexAt(view, x, y) {
  const cells = cellsOf(view);
  if (!cells || view.kind === "feature_maps" || !(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
  return Math.floor(y * cells.rows) * cells.columns + Math.floor(x * cells.columns);
}

/** What a bar's height y (0: top, 1: bottom) stands for, in a vector drawn from -range to range. */
export function valueAt(y, range) {
  const value = range * (1 - 2 * Math.min(Math.max(y, 0), 1));
  return Number(value.toPrecision(3));
}

/** The bound of a vector's bars: the least of 1, 2, 5, 10, 20 ... that holds all values. */
export function rangeOf(values) {
  let most = 0;
  for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  let range = 1;
  for (const factor of [2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2, 2, 2.5, 2]) {
    if (range >= most) break;
    range *= factor;
  }
  return Math.max(range, most);
}

/** The place of the last edit at or before where play stands; null where there is none. */
export function lastEdit(state) {
  const places = (state?.marks ?? []).filter(([place, kind]) => kind === "edit" && place <= (state.cursor ?? 0));
  return places.length ? Math.max(...places.map(([place]) => place)) : null;
}

/** The values after a change as the server makes it: in a grid of choices the row becomes one-hot there. */
export function changed(view, values, index, number) {
  const copy = values.slice();
  if (view.kind === "one_hot_grid") {
    const wide = view.shape[1];
    const first = index - (index % wide);
    copy.fill(0, first, first + wide);
    copy[index] = 1;
  } else {
    copy[index] = number;
  }
  return copy;
}

/** A value in words, where it stands in its view. */
export function nameOf(view, values, index) {
  const value = shownValue(values[index]);
  const label = (place) => view.labels[place] ?? String(place);
  if (view.kind === "one_hot_grid") {
    const wide = view.shape[1];
    return `row ${label(Math.floor(index / wide))}, class ${index % wide}: ${value}`;
  }
  if (view.kind === "token_grid") {
    return `row ${Math.floor(index / view.shape[1])}, column ${index % view.shape[1]}: ${value}`;
  }
  return `${label(index)}: ${value}`;
}

/** A number with three digits, a true minus sign. */
export function shownValue(value) {
  if (!Number.isFinite(value)) return "none";
  const text = Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001)
    ? Math.abs(value).toExponential(1) : String(Number(Math.abs(value).toPrecision(3)));
  return value < 0 ? `−${text}` : text;
}

/** The picture of a view that is not one already: `{width, height, data}`, four bytes a pixel, one pixel a cell. */
export function pixelsOf(view, values) {
  if (view.kind === "vector") return bars(values);
  const { columns, rows, across } = cellsOf(view);
  const data = new Uint8ClampedArray(columns * rows * 4);
  const put = (place, [red, green, blue]) => data.set([red, green, blue, 255], 4 * place);
  if (view.kind === "feature_maps") tiles(view, values, columns, across, put);
  else values.forEach((value, k) => put(k, view.kind === "one_hot_grid" ? glow(value) : hue(value)));
  return { width: columns, height: rows, data };
}

/** A probability as a colour: dark at 0, lit at 1; the square root lets small ones be seen. */
export function glow(value) {
  const share = Math.sqrt(Math.min(Math.max(value, 0), 1) || 0);
  return share <= 0.7 ? mix(DARK, COLD, share / 0.7) : mix(COLD, LIT, (share - 0.7) / 0.3);
}

/** A token as a colour: neighbours differ, and so do those a round of hues apart. */
export function hue(token) {
  const round = Math.floor(Math.abs(token) / HUES.length);
  return mix(HUES[Math.abs(Math.trunc(token)) % HUES.length], DARK, 0.7 * (1 - 1 / (1 + round / 8)));
}

function bars(values) {
  const width = Math.max(1, values.length);
  const data = new Uint8ClampedArray(width * BAR * 4);
  const range = rangeOf(values);
  const middle = BAR / 2;
  for (let x = 0; x < width; x += 1) {
    const tall = Math.round((middle * (values[x] || 0)) / range);
    const [top, bottom] = tall > 0 ? [middle - tall, middle] : [middle, middle - tall];
    for (let y = 0; y < BAR; y += 1) {
      const inside = y >= top && y < bottom;
      data.set([...(inside ? (tall > 0 ? COLD : HOT) : y === middle ? [70, 78, 90] : DARK), 255], 4 * (y * width + x));
    }
  }
  return { width, height: BAR, data };
}

function tiles({ shape }, values, columns, across, put) {
  const [count, height, width] = shape;
  for (let map = 0; map < count; map += 1) {
    const left = (map % across) * (width + 1);
    const top = Math.floor(map / across) * (height + 1);
    for (let k = 0; k < width * height; k += 1) {
      const level = values[map * width * height + k];
      put((top + Math.floor(k / width)) * columns + left + (k % width), [level, level, level]);
    }
  }
}

function mix(one, other, share) {
  return one.map((value, k) => Math.round(value + (other[k] - value) * share));
}
