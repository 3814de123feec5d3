// /openapi.json for people: paths, what they take and answer, schemas, examples.

import { ask, open } from "./api.js";
import { byId, el, fill } from "./dom.js";

let spec = null;
let examples = {};

async function load(asked) {
  const response = await ask("/openapi.json");
  spec = await response.json();
  const about = await (await ask("/page/about")).json();
  examples = Object.fromEntries(about.models.map((model) => [`${model.name}.Record`, model.example]));
  byId("docs").hidden = false;
  byId("lead").textContent = `${spec.info.title} ${spec.info.version}. ${spec.info.description ?? ""}`;
  const found = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation, id: `${method}-${operation.operationId}` })),
  );
  fill(byId("list"), ...found.map(({ path, method, id }) => el("li", {}, badge(method), " ", el("a", { href: `#${id}` }, path))));
  fill(byId("paths"), ...found.map(operationOf));
  fill(byId("schemas"), ...Object.entries(spec.components.schemas).map(schemaOf));
  byId("raw").addEventListener("click", download);
  if (asked === true) byId("title").focus();
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

const badge = (method) => el("span", { class: `method ${method}` }, method.toUpperCase());

function operationOf({ path, method, operation, id }) {
  const parts = [el("h2", { id }, badge(method), " ", path)];
  if (operation.description) parts.push(el("p", {}, operation.description));
  if (operation.parameters?.length) {
    const told = operation.parameters.map((one) => el("li", {}, el("code", {}, one.name), ` in the ${one.in}: `, ...shape(one.schema)));
    parts.push(el("h3", {}, "Parameters"), el("ul", {}, ...told));
  }
  const body = operation.requestBody?.content;
  if (body) {
    parts.push(el("h3", {}, "Body"), kinds(body));
    const schema = body["application/json"]?.schema;
    if (schema) parts.push(tree(schema), example(schema));
  }
  parts.push(el("h3", {}, "Answers"));
  const answers = Object.entries(operation.responses).map(([status, response]) => answer(status, response));
  return el("section", { class: "card", "aria-labelledby": id }, ...parts, el("dl", { class: "answers" }, ...answers.flat()));
}

function answer(status, response) {
  const schema = response.content?.["application/json"]?.schema;
  return [el("dt", {}, status), el("dd", {}, response.description, " ", ...(schema ? [tree(schema)] : []))];
}

const kinds = (content) => el("p", { class: "hint" }, `As ${Object.keys(content).join(", ")}.`);

function schemaOf([name, schema]) {
  return el("section", { class: "card", "aria-labelledby": anchor(name) }, el("h3", { id: anchor(name) }, name), tree(schema), example(schema, name));
}

const anchor = (name) => `schema-${encodeURIComponent(name)}`;
const link = (ref) => el("a", { href: `#${encodeURIComponent(anchor(nameOf(ref)))}` }, nameOf(ref));
const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

// A schema in a line, where it has no parts of its own.
function shape(schema) {
  if (schema.$ref) return [link(schema.$ref)];
  if (schema.enum) return [`one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`];
  if (schema.type === "array") return ["list of ", ...(schema.items ? shape(schema.items) : ["anything"])];
  const said = [[schema.type ?? "anything"].flat().join(" or ")];
  if (schema.minimum !== undefined) said.push(`from ${schema.minimum}`);
  if (schema.maximum !== undefined) said.push(`up to ${schema.maximum}`);
  if (schema.description) said.push(schema.description);
  return [said.join(", ")];
}

function tree(schema) {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return el("div", {}, el("p", {}, "One of:"), el("ul", {}, ...choices.map((one) => el("li", {}, tree(one)))));
  if (!schema.properties) return el("p", {}, ...shape(schema));
  const required = new Set(schema.required);
  const parts = Object.entries(schema.properties).map(([name, one]) => {
    const nested = one.properties || one.anyOf || one.oneOf || one.items?.properties || one.items?.anyOf;
    const head = [el("code", {}, name), required.has(name) ? "" : " (may be left out)", ": "];
    if (!nested) return el("li", {}, ...head, ...shape(one));
    return el("li", {}, ...head, one.type === "array" ? "list of" : "", tree(one.type === "array" ? one.items : one));
  });
  return el("div", {}, el("p", {}, "Object:"), el("ul", {}, ...parts));
}

function example(schema, name) {
  const text = exampleOf(schema, name, 0);
  return el("div", {}, el("p", { class: "hint" }, "Example"), el("pre", { tabindex: 0, role: "group", "aria-label": "Example" }, el("code", {}, text)));
}

// JSON text that fits a schema; of a model's record the one that the model is known to answer.
function exampleOf(schema, name, depth) {
  if (schema.$ref) return exampleOf(spec.components.schemas[nameOf(schema.$ref)] ?? {}, nameOf(schema.$ref), depth);
  const known = name && examples[name];
  if (known) return braces(Object.entries(known).map(([key, literal]) => `${JSON.stringify(key)}: ${literal}`), "{}", depth);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return exampleOf(choices[0], "", depth);
  if (schema.enum) return JSON.stringify(schema.enum[0]);
  if (schema.properties) {
    const parts = Object.entries(schema.properties).map(([key, one]) => `${JSON.stringify(key)}: ${exampleOf(one, "", depth + 1)}`);
    return braces(parts, "{}", depth);
  }
  switch ([schema.type].flat()[0]) {
    case "array":
      return schema.items ? braces([exampleOf(schema.items, "", depth + 1)], "[]", depth) : "[]";
    case "number":
    case "integer":
      return String(Math.max(schema.minimum ?? 0, 0));
    case "boolean":
      return "true";
    case "string":
      return '"text"';
    default:
      return "{}";
  }
}

function braces(parts, ends, depth) {
  const inside = "  ".repeat(depth + 1);
  return `${ends[0]}\n${parts.map((part) => inside + part).join(",\n")}\n${"  ".repeat(depth)}${ends[1]}`;
}

// A link alone would come without the token.
async function download(event) {
  event.preventDefault();
  const url = URL.createObjectURL(new Blob([JSON.stringify(spec, null, 2)], { type: "application/json" }));
  el("a", { href: url, download: "openapi.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

open(load);
