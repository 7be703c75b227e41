// Small helpers: elements, and numbers as people read them.

export const byId = (id) => document.getElementById(id);

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Children become those given, and of what is there only what differs is changed: a browser keeps old elements for long,
// and a screen reader says what is new. For parts without listeners.
export function update(box, ...children) {
  children.forEach((child, i) => {
    const old = box.childNodes[i];
    if (old?.nodeName === (child.nodeName ?? "#text")) change(old, child);
    else if (old) old.replaceWith(child);
    else box.append(child);
  });
  while (box.childNodes.length > children.length) box.lastChild.remove();
}

function change(old, child) {
  if (old.nodeType === Node.TEXT_NODE) {
    const text = child.data ?? child;
    if (old.data !== text) old.data = text;
    return;
  }
  const gone = [...old.attributes].filter(({ name }) => !child.hasAttribute(name) && name !== "open"); // opening is the reader's
  for (const { name } of gone) old.removeAttribute(name);
  for (const { name, value } of child.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  update(old, ...child.childNodes);
}

export function digits(number) {
  if (!Number.isFinite(number)) return "–";
  return Math.abs(number) >= 1000 ? number.toFixed(0) : String(Number(number.toPrecision(4)));
}

// A note of the simulator as a sentence of its own.
export const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${end(text)}`;

// What ends a sentence with these words; some choices are sentences themselves.
export const end = (text) => (text.endsWith(".") ? "" : ".");

export function save(name, data, type) {
  const address = URL.createObjectURL(new Blob([data], { type }));
  const link = make("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// A drawing as a file of its own: what the page's style gives its parts stands in them.
const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family", "text-anchor"];

function standalone(svg) {
  const copy = svg.cloneNode(true);
  const parts = [...svg.querySelectorAll("rect, line, text, path, circle, polyline")];
  [...copy.querySelectorAll("rect, line, text, path, circle, polyline")].forEach((part, i) => {
    const style = getComputedStyle(parts[i]);
    for (const name of STYLED) part.setAttribute(name, style.getPropertyValue(name).replaceAll('"', "'"));
  });
  const { width, height } = svg.viewBox.baseVal;
  for (const [name, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(name, value);
  copy.prepend(draw("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.documentElement).backgroundColor }));
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

export function saveSvg(name, svg) {
  save(`${name}.svg`, standalone(svg).text, "image/svg+xml");
}

export async function savePng(name, svg) {
  const { text, width, height } = standalone(svg);
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = Object.assign(make("canvas"), { width: 2 * width, height: 2 * height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((data) => save(`${name}.png`, data, "image/png"));
}

// Round values (1, 2, 2.5 or 5 times a power of ten apart) from 0 to the top, about as many as are asked for.
export function ticks(top, most) {
  const raw = top / most || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((size) => size >= raw * 0.999);
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

// What a browser remembers for the page; one that may not remember forgets.
export function recall(store, name) {
  try {
    return globalThis[store].getItem(name);
  } catch {
    return null;
  }
}

export function remember(store, name, text) {
  try {
    globalThis[store].setItem(name, text);
  } catch {
    // private windows may refuse
  }
}

// Words with the little of Markdown that the lessons have: `code` and **bold**.
export function marked(text) {
  return text.split(/(`[^`]*`|\*\*.+?\*\*)/).filter(Boolean).map((part) => {
    if (part.startsWith("`") && part.length > 2) return make("code", {}, part.slice(1, -1));
    return part.startsWith("**") && part.length > 4 ? make("b", {}, ...marked(part.slice(2, -2))) : part;
  });
}

// Paragraphs, "### headings" and "- lists", parted by blank lines; a line that goes on belongs to the item before.
export function paragraphs(body) {
  return body.trim().split(/\n\s*\n/).map((block) => {
    const text = block.trim();
    if (text.startsWith("### ")) return make("h2", {}, ...marked(text.slice(4)));
    if (!text.startsWith("- ")) return make("p", {}, ...marked(text.replaceAll(/\s*\n\s*/g, " ")));
    const items = text.slice(2).split(/\n\s*- /).map((item) => item.replaceAll(/\s*\n\s*/g, " "));
    return make("ul", {}, ...items.map((item) => make("li", {}, ...marked(item))));
  });
}
