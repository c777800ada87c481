// Making elements of the page.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `el("button", {class: "x", onclick: f, "aria-label": "y"}, "text", child ...)`. Attributes that begin
 * with "on" are listeners, null and false ones are left out.
 */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Set an element's text, only where it changed: screen readers and the browser's layout are spared. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Save what is at `href` as a file. */
export function download(href, name) {
  const link = el("a", { href, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
