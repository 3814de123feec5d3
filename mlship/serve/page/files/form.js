// The form: a field for each column of the model, and what the model answers, as one types.

import { ask, exact, Refused } from "./api.js";
import { byId, el, fill, percent, say } from "./dom.js";
import { makeField } from "./fields.js";

const PAUSE = 250; // ms after the last key
const CHATTER = 900; // ms after which a new answer is read aloud
const AGAIN = 3; // s after which a busy server is asked again, unless it says when
const LONGEST = 30; // s that it may say
const PATIENCE = 5; // times that it is asked again for one record
const PASSING = new Set(["", "overloaded", "draining"]); // of 503; a call that hung would hang again
const MOST = 50; // figures that are shown at once

export class Form {
  constructor({ onRecord, onOther }) {
    this.onRecord = onRecord;
    this.onOther = onOther;
    this.tries = 0;
    this.form = byId("form");
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", (event) => this.changed(event));
    this.form.addEventListener("change", (event) => this.changed(event));
  }

  show(model, codes) {
    if (this.model?.digest === model.digest && this.model?.name === model.name) return;
    this.stop();
    const before = this.model?.name === model.name ? this.fields : []; // another version of it: what was typed stays
    this.begun = this.begun && before.length > 0;
    this.model = model;
    this.codes = codes;
    this.fields = model.inputs.map(makeField);
    this.byNode = new Map(this.fields.map((field) => [field.node, field]));
    const example = el("button", { type: "button", id: "example" }, "Fill in an example");
    const clear = el("button", { type: "button", class: "plain" }, "Clear");
    example.disabled = model.example === null;
    example.addEventListener("click", () => {
      for (const field of this.fields) field.set(model.example[field.name] ?? "null");
      this.begun = true;
      this.later(0);
    });
    clear.addEventListener("click", () => {
      for (const field of this.fields) field.clear();
      this.begun = false;
      this.later(0);
      this.fields[0]?.focus();
    });
    const fields = el("div", { class: "fields" }, ...this.fields.map((field) => field.node));
    const focused = document.activeElement;
    fill(this.form, el("p", { class: "row" }, example, clear), fields);
    this.takeOver(before, focused);
    if (this.begun) this.later(0);
    else this.wait();
  }

  takeOver(before, focused) {
    for (const old of before) {
      const field = this.fields.find(({ name }) => name === old.name);
      if (field && !old.isWanting()) field.set(old.literal());
      if (field && old.node.contains(focused)) field.focus();
    }
  }

  // The record as JSON text, or null while nothing was done or fields that must not be missing are empty.
  record() {
    if (!this.begun || this.fields.some((field) => field.isWanting())) return null;
    return `{${this.fields.map((field) => `${JSON.stringify(field.name)}: ${field.literal()}`).join(", ")}}`;
  }

  changed(event) {
    this.begun = true;
    this.byNode.get(event.target.closest(".field"))?.touch(event.target);
    this.later(PAUSE);
  }

  stop() {
    clearTimeout(this.timer);
    clearTimeout(this.voice);
    clearTimeout(this.retry);
    this.under?.abort();
    this.last = undefined;
  }

  again() {
    this.last = undefined;
    if (this.begun) this.later(0);
  }

  later(pause) {
    this.tries = 0;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.predict(), pause);
  }

  wait() {
    const wanting = this.fields.filter((field) => field.isWanting());
    const names = wanting.slice(0, 3).map((field) => field.name);
    const more = wanting.length > 3 ? ` and ${wanting.length - 3} more` : "";
    const still = this.begun ? `To fill in: ${names.join(", ")}${more}.` : "It comes as you type, or fill in an example.";
    fill(byId("shown"), el("p", { class: "hint" }, still));
    say(byId("said"), "");
  }

  async predict() {
    const record = this.record();
    if (record !== null && record === this.last) return; // leaving a field changes nothing
    this.last = record;
    for (const field of this.fields) field.tell("");
    if (record === null) {
      this.stop();
      this.onRecord(null);
      this.wait();
      return;
    }
    this.under?.abort();
    clearTimeout(this.voice);
    clearTimeout(this.retry);
    const under = new AbortController();
    this.under = under;
    try {
      const beyond = this.fields.filter((field) => field.isBeyond());
      const rows = beyond.map(({ name }) => ({ column: name, code: "out_of_range" }));
      if (rows.length) throw new Refused(422, { rows });
      const response = await ask(this.model.path, { body: `[${record}]`, type: "application/json", signal: under.signal });
      const answer = exact(await response.text());
      if (under.signal.aborted) return;
      this.answered(answer.predictions[0]);
      this.onRecord(record); // which the model has taken
      if (answer.model.digest !== this.model.digest) this.onOther(); // another version has taken its place
    } catch (error) {
      if (!under.signal.aborted) this.refused(error);
    }
  }

  answered(cells) {
    const outputs = this.model.outputs;
    const of = (...meanings) => outputs.filter((output) => meanings.includes(output.meaning));
    const labels = of("label");
    const others = of("score", "value", "raw");
    const bars = of("probability").map((output) => [output.name, text(cells[output.name])]);
    bars.sort((one, other) => Number(other[1]) - Number(one[1]));
    const big = labels.length ? labels : others.slice(0, 1);
    const rest = labels.length ? others : others.slice(1);
    fill(
      byId("shown"),
      ...big.slice(0, MOST).map((output) => answer(output, big.length > 1 || !labels.length, text(cells[output.name]))),
      bars.length ? el("ol", { class: "bars", "aria-label": "Probabilities" }, ...bars.slice(0, MOST).map(bar)) : null,
      rest.length ? facts(rest.slice(0, MOST), cells) : null,
      tooMany(Math.max(bars.length, rest.length, big.length)),
    );
    const first = big[0] ? `Prediction: ${text(cells[big[0].name])}` : "Answered";
    const sure = bars.length ? `, ${percent(Number(bars[0][1]))}` : "";
    this.voice = setTimeout(() => say(byId("said"), `${first}${sure}`), CHATTER);
  }

  refused(error) {
    if (error instanceof Refused && [401, 404].includes(error.status)) this.onOther(); // another token, or model
    const rows = error instanceof Refused ? error.rows : [];
    const places = new Map(this.fields.map((field) => [field.name, field]));
    let told = 0;
    for (const { column, code } of rows) {
      const field = places.get(column);
      if (field) {
        field.tell(this.codes[code] ?? code);
        told += 1;
      }
    }
    const some = told === 1 ? "One value is refused" : `${told} values are refused`;
    const message = error instanceof Refused ? error.message : "The server cannot be reached.";
    fill(byId("shown"), el("p", { class: "error" }, told ? `${some}: see the fields.` : message));
    this.voice = setTimeout(() => say(byId("said"), told ? `${some}.` : "No prediction."), CHATTER);
    if (error instanceof Refused && error.status !== 503) return;
    this.last = undefined; // so that leaving a field asks again
    if (error instanceof Refused && PASSING.has(error.code)) this.askAgain(error.retry);
  }

  // A server that is busy for a moment: a few times, and not for a page that nobody looks at.
  askAgain(seconds) {
    if (this.tries >= PATIENCE || document.hidden) return;
    this.tries += 1;
    this.retry = setTimeout(() => this.predict(), 1000 * Math.min(LONGEST, Math.max(1, seconds || AGAIN)));
  }
}

function text(cell) {
  if (cell === null || cell === undefined) return "not a number";
  return Array.isArray(cell) ? cell[0] : String(cell);
}

function answer(output, named, value) {
  return el("p", { class: "answer" }, named ? el("span", { class: "hint" }, `${output.name} `) : null, el("strong", { "data-output": output.name }, value));
}

function bar([name, value]) {
  const filled = el("span", { class: "filled" });
  filled.style.width = `${Math.min(100, Math.max(0, 100 * Number(value))) || 0}%`;
  return el(
    "li",
    {},
    el("span", { class: "name" }, name.replace(/^probability_/, "")),
    el("span", { class: "figure", "data-output": name, title: value }, percent(Number(value))),
    el("span", { class: "bar", "aria-hidden": "true" }, filled),
  );
}

function facts(outputs, cells) {
  const pairs = outputs.map((output) =>
    el("div", {}, el("dt", {}, output.name), el("dd", { "data-output": output.name }, text(cells[output.name]))),
  );
  return el("dl", { class: "facts" }, ...pairs);
}

function tooMany(outputs) {
  return outputs > MOST ? el("p", { class: "hint" }, `The first ${MOST} of ${outputs} are shown.`) : null;
}
