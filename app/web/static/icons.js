// The few icons of the page, drawn: fonts do not agree on such signs.

import { svg } from "./dom.js";

const PATHS = {
  pause: "M7 5V19M17 5V19",
  play: "M8 5L19 12L8 19Z",
  rewind: "M4 9A8 8 0 1 1 4 15M4 4V9H9",
  fullscreen: "M4 9V4H9M15 4H20V9M20 15V20H15M9 20H4V15",
  panel: "M3 17L8 9L12 14L16 6L21 12",
  look_inside: "M2 12C5 6.5 8.5 5 12 5S19 6.5 22 12C19 17.5 15.5 19 12 19S5 17.5 2 12ZM9 12A3 3 0 1 0 15 12A3 3 0 1 0 9 12",
  help: "M8.5 9A3.5 3.5 0 1 1 12 12.5V14.5M12 18.2V18.4",
};

/** An icon by name; its colour is that of the text around it. */
export function icon(name) {
  const drawing = svg("svg", { class: "rc-glyph", viewBox: "0 0 24 24", "aria-hidden": "true", "data-icon": name });
  drawing.append(svg("path", { d: PATHS[name] }));
  return drawing;
}

/** Put another icon in the place of an element's; nothing happens where it is there already. */
export function change(element, name) {
  const now = element.querySelector(".rc-glyph");
  if (now.dataset.icon !== name) now.replaceWith(icon(name));
}
