// Views that are plots, as what the plotting library draws: data and layout. Without a browser.

import { shownValue } from "./views.js";

/** Kinds of views that are drawn by the plotting library. */
export const PLOTTED = new Set(["curves", "path", "heat_map", "matrix"]);

/** Colours of lines that all kinds of colour vision tell apart (Okabe and Ito), on a light page and on a dark one. */
const LINES = {
  light: ["#0072b2", "#d55e00", "#00795a", "#a3447c", "#8a5a00", "#3a4250"],
  dark: ["#56b4e9", "#f0884a", "#2fc79b", "#dd9dc1", "#f0e442", "#c3cad6"],
};
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const HEAT = [[0, "#0b0d12"], [0.25, "#3b1f5b"], [0.5, "#a3447c"], [0.75, "#f0884a"], [1, "#fff3c4"]];
const SHADES = { light: [[0, "#ffffff"], [1, "#56a5d3"]], dark: [[0, "#171b22"], [1, "#00609a"]] };
const PLAIN = { light: [[0, "#ffffff"], [1, "#ffffff"]], dark: [[0, "#1c2129"], [1, "#1c2129"]] };
const MOST_TEXTS = 170;
const WIDE_ROW = 26;
const TALL = 210;
const LETTER = 6.2;
const BESIDE_MAP = 62;

/** The least of 1, 2 and 5 times a power of ten that is not below `value`: a scale that seldom changes. */
export function niceTop(value) {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value * (1 - 1e-6));
}

/** Whether the values of a matrix are shares, or compare like with like: then colours say something. */
export function isShaded({ shape }, values) {
  const known = [...values].filter(Number.isFinite);
  return known.every((value) => value >= 0 && value <= 1) || (shape[0] === shape[1] && shape[0] > 1);
}

/**
 * What the library draws of a view: `{data, layout, height}`, and width where it is to be no wider; in CSS pixels. values:
 * Float32Array of the view's shape; theme: `{dark, text, muted, line}`; width: the room there is.
 */
export function figureOf(view, values, theme, width) {
  return { curves, path, heat_map: heatMap, matrix }[view.kind](view, values, theme, width);
}

/**
 * How lines are told apart: `[{colour, dash, name}]`, name: in the legend, "" for one that is not there. Where every line is
 * of something real or dreamt, both of a thing have its colour and one name, and what is real is dashed.
 */
export function linesOf(labels, count, dark) {
  const colours = LINES[dark ? "dark" : "light"];
  const parts = labels.slice(0, count).map((label) => /^(.+) (real|dream)$/.exec(label));
  const paired = parts.length === count && parts.every(Boolean);
  const things = [...new Set(parts.map((part) => part?.[1]))];
  return Array.from({ length: count }, (_, k) => {
    const place = paired ? things.indexOf(parts[k][1]) : k;
    const real = paired && parts[k][2] === "real";
    const turn = Math.floor(place / colours.length) + (real ? 1 : 0);
    const twin = real && parts.some(([, thing, what]) => what === "dream" && thing === parts[k][1]);
    const name = paired ? (twin ? "" : parts[k][1]) : (labels[k] ?? String(k));
    return { colour: colours[place % colours.length], dash: DASHES[turn % DASHES.length], name };
  });
}

function curves({ shape: [count, length], labels, columns = [] }, values, theme, width) {
  const lines = linesOf(labels, count, theme.dark);
  const names = lines.map(({ name }) => name).filter(Boolean);
  const longest = Math.max(...names.map((name) => name.length), 1);
  const across = Math.max(1, Math.floor((width - 54) / (44 + LETTER * longest)));
  const above = count > 1 ? 4 + 18 * Math.ceil(names.length / across) : 8;
  const past = (columns[0] ?? "").includes("ago");
  const x = Array.from({ length }, (_, k) => (past ? k - length + 1 : k + 1));
  const top = Math.max(...known(values)); // what is alike has infinitely many decibels: as much as can be drawn
  const data = Array.from({ length: count }, (_, line) => ({
    type: "scatter",
    mode: length < 2 ? "markers" : "lines",
    name: lines[line].name || labels[line],
    showlegend: count > 1 && lines[line].name !== "",
    text: labels[line] ?? "",
    x,
    y: Array.from(values.subarray(line * length, (line + 1) * length), (value) => finite(value === Infinity ? top : value)),
    line: { color: lines[line].colour, width: 1.8, dash: lines[line].dash },
    marker: { color: lines[line].colour },
    connectgaps: false,
    hovertemplate: "%{text}: %{y:.4~g}<extra></extra>",
  }));
  const legend = { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", font: { size: 11 } };
  const layout = {
    ...base(theme),
    margin: { l: 46, r: 8, t: above, b: 36 },
    showlegend: count > 1,
    legend: { ...legend, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(theme, columns[0], { range: length > 1 ? [x[0], x[length - 1]] : undefined }),
    yaxis: axis(theme, columns[1], { rangemode: known(values).every((value) => value >= 0) ? "tozero" : "normal" }),
  };
  return { data, layout, height: TALL - 22 + above };
}

function path({ shape: [count], columns = [] }, values, theme) {
  const [colour, strong] = LINES[theme.dark ? "dark" : "light"];
  const parts = [[], [], []];
  for (let k = 0; k < count; k += 1) {
    const [x, y, what] = values.subarray(3 * k, 3 * k + 3);
    if (Number.isFinite(x) && Number.isFinite(y)) parts[Math.min(Math.max(Math.round(what), 0), 2)].push([x, y]);
  }
  const trace = (points, name, more) => ({
    type: "scatter", name, x: points.map(([x]) => x), y: points.map(([, y]) => y), hoverinfo: "name", ...more,
  });
  const [cloud, past, now] = parts;
  const trail = [...past, ...now];
  const age = trail.map((_, k) => 0.15 + (0.85 * (k + 1)) / trail.length);
  const data = [
    trace(cloud, "real play", { mode: "markers", marker: { size: 4, color: theme.muted, opacity: 0.35 } }),
    trace(trail, "the last steps", {
      mode: "lines+markers",
      line: { color: colour, width: 1.2 },
      marker: { size: 4, color: colour, opacity: age },
    }),
    trace(now, "now", {
      mode: "markers",
      marker: { size: 13, color: strong, symbol: "circle", line: { width: 2, color: theme.dark ? "#ffffff" : "#1c2430" } },
    }),
  ];
  const layout = {
    ...base(theme),
    margin: { l: 46, r: 8, t: 20, b: 36 },
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", font: { size: 11 }, bgcolor: "rgba(0,0,0,0)" },
    xaxis: axis(theme, columns[0], { zeroline: false }),
    yaxis: axis(theme, columns[1], { zeroline: false }),
  };
  return { data: data.filter(({ x }) => x.length > 0), layout, height: TALL + 40 };
}

function heatMap({ shape: [tall, wide] }, values, theme) {
  const top = niceTop(Math.max(0, ...known(values)));
  const data = [{
    type: "heatmap",
    z: rowsOf(values, tall, wide),
    zmin: 0,
    zmax: top,
    colorscale: HEAT,
    colorbar: { thickness: 10, outlinewidth: 0, tickfont: { size: 11 }, len: 1, xpad: 6, nticks: 5 },
    hovertemplate: "row %{y}, column %{x}: %{z:.3~g}<extra></extra>",
  }];
  const bare = { showgrid: false, zeroline: false, showticklabels: false, ticks: "", constrain: "domain", fixedrange: true };
  const layout = {
    ...base(theme),
    margin: { l: 4, r: 4, t: 6, b: 6 },
    xaxis: { ...bare, range: [-0.5, wide - 0.5] },
    yaxis: { ...bare, range: [tall - 0.5, -0.5], scaleanchor: "x" },
  };
  return { data, layout, height: TALL, width: Math.round(((TALL - 12) * wide) / tall) + BESIDE_MAP };
}

function matrix(view, values, theme, width) {
  const { shape: [tall, wide], labels, columns = [] } = view;
  const shaded = isShaded(view, values);
  const look = theme.dark ? "dark" : "light";
  const names = (given, count) => Array.from({ length: count }, (_, k) => given[k] ?? String(k));
  const [rows, heads] = [names(labels, tall), names(columns, wide)];
  const left = Math.min(150, 14 + LETTER * Math.max(...rows.map((name) => name.length)));
  const longest = Math.max(...heads.map((name) => name.length));
  const slanted = longest * LETTER > (width - left) / Math.max(wide, 1);
  const right = slanted ? Math.min(64, 8 + LETTER * 0.7 * heads.at(-1).length) : 4;
  const cell = (width - left - right) / Math.max(wide, 1);
  const above = slanted ? Math.min(90, 12 + longest * LETTER * 0.75) : 24;
  const z = rowsOf(values, tall, wide);
  const numbers = tall * wide <= MOST_TEXTS && cell >= 22;
  const all = known(values);
  const texts = z.map((row) => row.map((value) => (value === null ? "–" : cellText(value, all, cell < 38 ? 2 : 3))));
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const data = [{
    type: "heatmap",
    z: z.map((row) => row.map((value) => value ?? low)),
    x: Array.from({ length: wide }, (_, k) => k),
    y: Array.from({ length: tall }, (_, k) => k),
    customdata: rows.map((row) => heads.map((head) => `${row}, ${head}`)),
    text: texts,
    ...(numbers ? { texttemplate: "%{text}", textfont: { size: cell < 38 ? 10 : 12, color: theme.text } } : {}),
    colorscale: (shaded ? SHADES : PLAIN)[look],
    zmin: low,
    zmax: high > low ? (low >= 0 && high <= 1 ? 1 : high) : low + 1,
    showscale: false,
    xgap: 1,
    ygap: 1,
    hovertemplate: "%{customdata}: %{text}<extra></extra>",
  }];
  const bare = { showgrid: false, zeroline: false, ticks: "", fixedrange: true, tickfont: { size: 11 }, tickmode: "array" };
  const places = (count) => Array.from({ length: count }, (_, k) => k);
  const layout = {
    ...base(theme),
    margin: { l: left, r: right, t: above, b: 4 },
    xaxis: { ...bare, side: "top", tickangle: slanted ? -45 : 0, tickvals: places(wide), ticktext: heads, range: [-0.5, wide - 0.5] },
    yaxis: { ...bare, tickvals: places(tall), ticktext: rows, range: [tall - 0.5, -0.5] },
  };
  return { data, layout, height: Math.round(above + 6 + tall * Math.min(WIDE_ROW, Math.max(18, 420 / tall))) };
}

// -- parts

function base(theme) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "Inter, ui-sans-serif, system-ui, sans-serif", size: 12, color: theme.text },
    hoverlabel: { font: { size: 12 } },
    dragmode: false,
    transition: { duration: 0 },
  };
}

function axis(theme, title, more = {}) {
  return {
    title: { text: title ?? "", font: { size: 11, color: theme.muted }, standoff: 4 },
    gridcolor: theme.line,
    zerolinecolor: theme.line,
    linecolor: theme.line,
    tickfont: { size: 11, color: theme.muted },
    fixedrange: true,
    nticks: 6,
    ...more,
  };
}

/** A number of a table: as many decimals as the largest of all leaves with `digits` digits. */
function cellText(value, all, digits) {
  const top = Math.max(...all.map(Math.abs), 1e-12);
  const decimals = Math.min(Math.max(digits - 1 - Math.floor(Math.log10(top)), 0), 6);
  return shownValue(Number(value.toFixed(decimals)));
}

const finite = (value) => (Number.isFinite(value) ? value : null);
const known = (values) => [...values].filter(Number.isFinite);

function rowsOf(values, tall, wide) {
  return Array.from({ length: tall }, (_, row) => Array.from(values.subarray(row * wide, (row + 1) * wide), finite));
}
