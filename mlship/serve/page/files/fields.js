// One field of the form: what is typed becomes the JSON text that is sent, digit by digit.

import { count, el } from "./dom.js";

const NUMBER = /^([+-]?)(\d*)(\.\d*)?(e[+-]?\d+)?$/i;
const ANOTHER = "another";
const MISSING = "null";
const KINDS = {
  bool: "true or false", int64: "whole number", float32: "number", float64: "number",
  string: "text", category: "text", datetime: "date and time", date: "date",
};

let made = 0;

export function makeField(input) {
  if (input.dtype === "bool") return new Choice(input, ["true", "false"], false);
  if (input.categories && input.category_count <= input.categories.length) {
    return new Choice(input, input.categories, input.unknown);
  }
  return input.dtype === "string" || input.dtype === "category" ? new Words(input) : new Typed(input);
}

// The shortest change that makes JSON of a number: `+7`, `.5`, `5.` and `007` are none; another text is sent as text.
function numberLiteral(text) {
  const found = NUMBER.exec(text);
  if (!found || !/\d/.test((found[2] ?? "") + (found[3] ?? ""))) return JSON.stringify(text);
  const [, sign, whole, part, power] = found;
  const fraction = part && part.length > 1 ? part : "";
  return `${sign === "-" ? "-" : ""}${whole.replace(/^0+(?=\d)/, "") || "0"}${fraction}${power ?? ""}`;
}

const plain = (literal) => (literal[0] === '"' ? JSON.parse(literal) : literal);

class Field {
  constructor(input, control) {
    this.input = input;
    this.name = input.name;
    this.id = `field${(made += 1)}`;
    this.control = control;
    control.id = this.id;
    control.setAttribute("aria-describedby", `${this.id}-hint ${this.id}-error`);
    if (!input.nullable) control.setAttribute("aria-required", "true");
    this.error = el("p", { class: "error", id: `${this.id}-error` });
    this.node = el(
      "div",
      { class: "field" },
      el("label", { for: this.id }, input.name),
      control,
      el("p", { class: "hint", id: `${this.id}-hint` }, hint(input)),
      this.error,
    );
  }

  touch() {}

  // Whether it holds a number that JSON readers refuse, as 1e400.
  isBeyond() {
    return Math.abs(Number(this.literal())) === Infinity;
  }

  focus() {
    this.control.focus();
  }

  tell(message) {
    this.error.textContent = message && message[0].toUpperCase() + message.slice(1);
    if (message) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  clear() {
    this.tell("");
    this.control.value = "";
  }
}

class Typed extends Field {
  constructor(input) {
    const date = input.dtype === "date";
    const positive = Number(input.low ?? input.range?.[0] ?? -1) >= 0; // keyboards of numbers have no minus on some phones
    const numeric = !date && input.dtype !== "datetime";
    super(input, el("input", { type: date ? "date" : "text", autocomplete: "off", inputmode: numeric && positive ? "decimal" : null }));
    this.numeric = numeric;
  }

  isWanting() {
    return !this.input.nullable && this.control.value.trim() === "";
  }

  literal() {
    const text = this.control.value.trim();
    if (text === "") return MISSING;
    return this.numeric ? numberLiteral(text) : JSON.stringify(text);
  }

  set(literal) {
    this.control.value = literal === MISSING ? "" : plain(literal);
  }
}

class Words extends Field {
  constructor(input) {
    super(input, el("textarea", { rows: 2, autocomplete: "off", spellcheck: "false" }));
    this.touched = false;
    if (input.nullable) {
      this.none = el("input", { type: "checkbox", id: `${this.id}-none` });
      const label = el("label", { for: `${this.id}-none` }, "missing");
      this.control.after(el("p", { class: "none" }, this.none, " ", label));
    }
    this.clear();
  }

  touch(target) {
    this.touched = true;
    if (this.none && target === this.control) this.none.checked = false;
  }

  isWanting() {
    return !this.input.nullable && !this.touched;
  }

  literal() {
    return this.none?.checked ? MISSING : JSON.stringify(this.control.value);
  }

  set(literal) {
    this.touched = true;
    this.control.value = literal === MISSING ? "" : plain(literal);
    if (this.none) this.none.checked = literal === MISSING;
  }

  clear() {
    super.clear();
    this.touched = false;
    if (this.none) this.none.checked = true;
  }
}

class Choice extends Field {
  constructor(input, literals, open) {
    const options = literals.map((literal, place) => el("option", { value: place }, plain(literal) || "(empty text)"));
    const first = el("option", { value: "" }, input.nullable ? "missing" : "choose …");
    const last = open ? el("option", { value: ANOTHER }, "another value …") : null;
    super(input, el("select", {}, first, ...options, last));
    this.literals = literals;
    if (open) {
      this.other = el("input", { type: "text", autocomplete: "off", "aria-label": `Another value of ${input.name}`, hidden: true });
      this.control.after(this.other);
    }
  }

  touch() {
    if (!this.other) return;
    this.other.hidden = this.control.value !== ANOTHER;
  }

  isWanting() {
    return !this.input.nullable && this.control.value === "";
  }

  literal() {
    const value = this.control.value;
    if (value === "") return MISSING;
    if (value !== ANOTHER) return this.literals[Number(value)];
    const text = this.other.value;
    return ["string", "category"].includes(this.input.dtype) ? JSON.stringify(text) : numberLiteral(text.trim());
  }

  set(literal) {
    const place = this.literals.indexOf(literal);
    if (literal === MISSING || (place < 0 && !this.other)) this.control.value = "";
    else if (place >= 0) this.control.value = String(place);
    else {
      this.control.value = ANOTHER;
      this.other.value = plain(literal);
    }
    this.touch();
  }

  clear() {
    super.clear();
    if (this.other) this.other.value = "";
    this.touch();
  }
}

function hint(input) {
  const said = [KINDS[input.dtype]];
  if (input.range) said.push(`${input.range[0]} to ${input.range[2]} in the sample, half up to ${input.range[1]}`);
  else if (input.low !== null && input.high !== null) said.push(`${input.low} to ${input.high}`);
  else if (input.low !== null) said.push(`from ${input.low} on`);
  if (input.category_count > (input.categories?.length ?? 0)) said.push(`${count(input.category_count)} are known`);
  if (input.dtype === "datetime") said.push("as 2026-01-31T12:00:00");
  if (input.nullable) said.push("may be missing");
  return said.join("; ");
}
