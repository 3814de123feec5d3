// Commands that ask the same as the form, for a terminal, for Python and for JavaScript.

import { urlOf } from "./api.js";
import { byId, el, fill, say } from "./dom.js";

let shown = "";

export function showSnippets(about, model, record) {
  const body = `[${record ?? exampleOf(model)}]`;
  const key = JSON.stringify([model.path, about.token, body]);
  if (key === shown) return;
  shown = key;
  const url = urlOf(model.path);
  const said = record === null ? "They send an example" : "They send what the form holds";
  byId("code-note").textContent = about.token ? `${said}, and read the token from the variable MLSHIP_TOKEN.` : `${said}.`;
  const made = [
    ["curl", curl(url, body, about.token)],
    ["Python", python(url, body, about.token)],
    ["JavaScript", javascript(url, body, about.token)],
  ];
  fill(byId("snippets"), ...made.map(([name, code]) => snippet(name, code)));
}

function exampleOf(model) {
  if (model.example === null) return "{}";
  const cells = Object.entries(model.example).map(([name, literal]) => `${JSON.stringify(name)}: ${literal}`);
  return `{${cells.join(", ")}}`;
}

const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
// A text between single quotes, for Python and JavaScript alike: JSON has no other control characters to care for.
const literal = (text) =>
  `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")}'`;

function curl(url, body, token) {
  const who = token ? ` \\\n  -H "Authorization: Bearer $MLSHIP_TOKEN"` : "";
  return `curl -s ${shell(url)} \\\n  -H 'Content-Type: application/json'${who} \\\n  -d ${shell(body)}`;
}

function python(url, body, token) {
  return [
    "import json",
    ...(token ? ["import os"] : []),
    "import urllib.request",
    "",
    "request = urllib.request.Request(",
    `    ${literal(url)},`,
    `    data=${literal(body)}.encode(),`,
    "    headers={",
    "        'Content-Type': 'application/json',",
    ...(token ? ["        'Authorization': 'Bearer ' + os.environ['MLSHIP_TOKEN'],"] : []),
    "    },",
    ")",
    "with urllib.request.urlopen(request) as response:",
    "    print(json.load(response)['predictions'])",
  ].join("\n");
}

function javascript(url, body, token) {
  const who = token ? ", Authorization: `Bearer ${process.env.MLSHIP_TOKEN}`" : "";
  return [
    `fetch(${literal(url)}, {`,
    "  method: 'POST',",
    `  headers: { 'Content-Type': 'application/json'${who} },`,
    `  body: ${literal(body)},`,
    "})",
    "  .then((response) => response.json())",
    "  .then((answer) => console.log(JSON.stringify(answer.predictions)));",
  ].join("\n");
}

function snippet(name, code) {
  const id = `code-${name.toLowerCase()}`;
  const text = el("code", {}, code);
  const button = el("button", { type: "button", class: "plain", "aria-describedby": id }, "Copy");
  button.addEventListener("click", () => copy(code, text, name));
  return el(
    "div",
    { class: "card snippet" },
    el("div", { class: "row" }, el("h3", { id }, name), button),
    el("pre", { tabindex: 0, role: "group", "aria-labelledby": id }, text),
  );
}

async function copy(code, node, name) {
  let done = false;
  try {
    await navigator.clipboard.writeText(code);
    done = true;
  } catch {
    getSelection().selectAllChildren(node); // plain HTTP has no clipboard but the old one
    done = document.execCommand("copy");
  }
  say(byId("copied"), done ? `${name} is copied.` : `${name} is selected: copy it with the keyboard.`);
  setTimeout(() => say(byId("copied"), ""), 4000);
}
