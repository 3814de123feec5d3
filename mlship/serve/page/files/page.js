// The page: what the model is, and the parts that work with it.

import { ask, open } from "./api.js";
import { byId, count, el, fill, table } from "./dom.js";
import { Form } from "./form.js";
import { FileWork } from "./file.js";
import { showSnippets } from "./snippets.js";
import { Live } from "./live.js";

let about = null;
const again = () => reload(); // the next answer tells again what is new
const live = new Live(again);
const files = new FileWork();
const form = new Form({ onRecord: (record) => showSnippets(about, current(), record), onOther: again });

function current() {
  const wanted = new URLSearchParams(location.search).get("model");
  return about.models.find((model) => model.name === wanted) ?? about.models[0];
}

async function load(asked) {
  about = await (await ask("/page/about")).json();
  const several = about.models.length > 1;
  byId("choice").hidden = !several;
  fill(byId("models"), ...about.models.map((model) => el("option", { value: model.name }, model.name)));
  for (const id of ["model", "parts"]) byId(id).hidden = false;
  for (const id of ["live", "to-live"]) byId(id).hidden = !about.live;
  show();
  if (asked !== true) return;
  byId("title").focus();
  form.again(); // it may have been refused for the want of a token
}

function show() {
  const model = current();
  byId("models").value = model.name;
  document.title = `${model.name} · mlship`;
  showAbout(model);
  form.show(model, about.codes);
  files.show(model, about.limits, about.codes);
  showSnippets(about, model, form.record());
  if (about.live) live.show(model);
  else live.stop();
}

function showAbout(model) {
  byId("title").textContent = model.name;
  byId("verdict").textContent = model.proof ? proven(model) : "Nothing proves that this model answers as its original.";
  const facts = [
    ["Version", model.version],
    ["Classes", classes(model)],
    ["Estimator", model.provenance.estimator],
    ["Digest", model.digest],
    ["Answers", task(model)],
    ["Golden rows", golden(model)],
    ["Sample", model.sample_rows === null ? "none was given" : `${count(model.sample_rows)} rows`],
    ["Made with", Object.entries(model.provenance.versions ?? {}).map((pair) => pair.join(" ")).join(", ")],
    ["Labels", Object.entries(model.labels).map((pair) => pair.join(": ")).join(", ")],
  ].filter(([, value]) => value);
  const told = facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  const few = facts.findIndex(([name]) => name === "Digest") + 1; // what comes after it few people ask for
  fill(byId("facts"), ...told.slice(0, few));
  fill(byId("further"), ...told.slice(few));
  const inputs = model.inputs.map((input) => [input.name, input.dtype, input.nullable ? "may be missing" : "", seen(input)]);
  const outputs = model.outputs.map((output) => [output.name, output.dtype, output.meaning]);
  fill(
    byId("columns"),
    table(["Column", "Type", "Missing", "Values"], inputs, "Columns in"),
    table(["Column", "Type", "What it is"], outputs, "Columns out"),
  );
}

function proven(model) {
  const proof = model.proof;
  const rows = Object.values(proof.rows).reduce((sum, more) => sum + more, 0);
  const agree = proof.labels_agree === 1 ? "all labels equal, " : `${100 * proof.labels_agree} % of labels equal, `;
  const labels = model.outputs.some((output) => output.meaning === "label") ? agree : "";
  const difference = proof.largest ? `numbers apart by ${proof.largest.toPrecision(2)} at most` : "numbers equal to the bit";
  const how = proof.rung === "exact" ? "" : `, within the tolerance of ${proof.tolerance}`;
  return `Proven equal to its original on ${count(rows)} rows: ${labels}${difference}${how}.`;
}

function golden(model) {
  if (!model.golden.rows) return "";
  return `${model.golden.rows} ${model.golden.agrees ? "answered as by the original" : "answered differently from the original"}`;
}

function task(model) {
  const meanings = new Set(model.outputs.map((output) => output.meaning));
  if (meanings.has("label")) return meanings.has("probability") ? "labels with probabilities" : "labels";
  return meanings.has("value") ? "numbers" : "";
}

function classes(model) {
  const named = model.outputs.filter((output) => output.meaning === "probability").map((output) => output.name);
  const texts = named.map((name) => name.replace(/^probability_/, ""));
  return texts.slice(0, 20).join(", ") + (texts.length > 20 ? ` and ${texts.length - 20} more` : "");
}

function seen(input) {
  if (input.categories) {
    const known = input.categories.slice(0, 5).map((text) => (text[0] === '"' ? JSON.parse(text) : text)).join(", ");
    const more = input.category_count > 5 ? ` and ${count(input.category_count - 5)} more` : "";
    return `${known}${more}${input.unknown ? "; others too" : ""}`;
  }
  return input.range ? `${input.range[0]} to ${input.range[2]} in the sample` : "";
}

byId("models").addEventListener("change", (event) => {
  history.replaceState(null, "", `?model=${encodeURIComponent(event.target.value)}`);
  show();
});
const reload = open(load);
