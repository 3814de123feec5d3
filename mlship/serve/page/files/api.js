// How the server is asked: with the token where there is one, and with errors that say what it said.

import { byId, say } from "./dom.js";

// Where the server is: a proxy may have put it under a path of its own, and others beside it.
const ROOT = new URL("../", import.meta.url);
const KEY = `mlship.token ${ROOT.pathname}`;
let token = "";
try {
  token = sessionStorage.getItem(KEY) ?? "";
} catch {
  // a browser that keeps nothing: the token lasts as long as the page
}

export class Refused extends Error {
  constructor(status, error, retry) {
    super(error?.message ?? `The server answered ${status}.`);
    this.status = status;
    this.code = error?.code ?? "";
    this.rows = error?.rows ?? [];
    this.retry = retry;
  }
}

export const urlOf = (path) => new URL(`.${path}`, ROOT).href;

export async function ask(path, { body, type, accept = "application/json", signal } = {}) {
  const headers = { Accept: accept };
  if (type) headers["Content-Type"] = type;
  if (token) headers.Authorization = `Bearer ${token}`;
  const method = body === undefined ? "GET" : "POST";
  const response = await fetch(urlOf(path), { method, headers, body, signal, credentials: "same-origin", redirect: "error" });
  if (response.ok) return response;
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // whoever answered, it was not mlship
  }
  throw new Refused(response.status, error, Number(response.headers.get("Retry-After") ?? 0));
}

// JSON in which every number keeps its digits: `[text]` stands for a number, which no cell of an answer is otherwise.
export function exact(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (part) => (part[0] === '"' ? part : `["${part}"]`)));
}

// Only what the server has accepted is kept, and no longer than it does.
function keep() {
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // as above
  }
}

// Calls `load` until it is let in; the form asks for a token meanwhile. Returns what does so once more.
export function open(load) {
  const [form, input, state] = [byId("ask"), byId("token"), byId("state")];
  const attempt = async (asked) => {
    const shown = token;
    try {
      await load(asked);
      if (token !== shown) return; // another was typed meanwhile
      keep();
      input.value = "";
      form.hidden = true;
      state.hidden = true;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        if (token !== shown) return;
        const known = Boolean(token);
        token = "";
        keep();
        state.hidden = true;
        if (!asked && !form.hidden) return; // it is being typed
        form.hidden = false;
        byId("token-error").textContent = known ? "The server does not know this token." : "";
        input.toggleAttribute("aria-invalid", known);
        input.focus();
        if (asked) input.select();
      } else {
        state.hidden = false;
        say(state, error instanceof Refused ? error.message : "The server cannot be reached. Load the page again later.");
        if (!(error instanceof Refused)) console.warn(error);
      }
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(given)) {
      byId("token-error").textContent = given ? "A token has no spaces and no letters beyond ASCII." : "Type the token first.";
      input.toggleAttribute("aria-invalid", true);
      input.focus();
      return;
    }
    token = given;
    attempt(true);
  });
  attempt(false);
  return () => attempt(false);
}
