// Elements are made of text nodes and attributes only: names and labels come from whoever made the model.

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  return parent;
}

// A text that only changes when it says something new: a live region is read aloud each time.
export function say(region, text) {
  if (region.textContent !== text) region.textContent = text;
}

export function table(columns, rows, caption) {
  const head = el("tr", {}, ...columns.map((column) => el("th", { scope: "col" }, column)));
  const body = rows.map((row) =>
    el("tr", {}, ...row.map((cell, place) => (place ? el("td", {}, cell) : el("th", { scope: "row" }, cell)))),
  );
  return el("table", {}, caption ? el("caption", {}, caption) : null, el("thead", {}, head), el("tbody", {}, ...body));
}

export const count = (number) => number.toLocaleString("en");

export function percent(value) {
  const parts = 100 * value;
  if (value > 0 && parts < 0.01) return "< 0.01 %";
  if (value < 1 && parts > 99.99) return "> 99.99 %";
  return `${parts.toFixed(2)} %`;
}
