// Charts of how the server is, asked for as long as somebody looks.

import { ask, Refused } from "./api.js";
import { byId, el, fill, say, table } from "./dom.js";

// What a picture is made of; all else is left out, whoever sent it.
const ELEMENTS = new Set(["svg", "g", "title", "desc", "rect", "line", "polyline", "polygon", "path", "circle", "text", "tspan"]);
const ATTRIBUTE = /^(?!on|href|style)[a-z][a-z0-9-]*$/i;
const SLOWEST = 30; // s between two tries while the server does not answer

export class Live {
  constructor(onOther) {
    this.onOther = onOther;
    this.kept = new Map();
    this.failed = 0;
    const pause = byId("pause");
    pause.addEventListener("click", () => {
      const paused = pause.getAttribute("aria-pressed") !== "true";
      pause.setAttribute("aria-pressed", String(paused));
      this.paused = paused;
      if (paused) {
        clearTimeout(this.timer);
        say(byId("live-said"), "Paused.");
      } else this.look();
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.timer) : this.look()));
  }

  show(model) {
    const same = this.model?.name === model.name;
    this.model = model;
    if (same) return; // another version of it is drawn in its turn
    this.kept.clear();
    fill(byId("charts"));
    this.look();
  }

  stop() {
    clearTimeout(this.timer);
    this.model = null;
  }

  async look() {
    clearTimeout(this.timer);
    if (this.paused || document.hidden || !this.model) return;
    if (!byId("ask").hidden) {
      this.timer = setTimeout(() => this.look(), 1000); // until somebody has shown a token
      return;
    }
    const model = this.model;
    let seconds = 2;
    try {
      const told = await (await ask(`/page/live?model=${encodeURIComponent(model.name)}`)).json();
      if (model !== this.model || this.paused) return;
      seconds = told.every;
      this.failed = 0;
      this.draw(told.charts);
      if (told.digest !== model.digest) this.onOther(); // another version has taken its place
      say(byId("live-said"), `Of all workers, every ${seconds} seconds while this page is in sight.`);
    } catch (error) {
      if (model !== this.model) return;
      if (error instanceof Refused && [401, 404].includes(error.status)) this.onOther(); // another token, or model
      this.failed += 1;
      seconds = Math.min(SLOWEST, 2 ** this.failed);
      say(byId("live-said"), error instanceof Refused ? error.message : "The server does not answer; it is asked again.");
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), 1000 * seconds);
  }

  draw(charts) {
    const keys = charts.map((chart) => chart.key).join();
    for (const chart of charts) this.chart(chart);
    if (keys !== this.keys || !byId("charts").childElementCount) {
      this.keys = keys;
      fill(byId("charts"), ...charts.map((chart) => this.kept.get(chart.key).node));
    }
  }

  // What has not changed is left alone, so that a table stays open and a screen reader where it is.
  chart(told) {
    let chart = this.kept.get(told.key);
    if (!chart) {
      chart = { title: el("h3"), say: el("p", { class: "say" }), picture: el("div", { class: "drawn" }), table: el("div"), svg: null };
      chart.scroll = el("div", { class: "scroll", tabindex: 0, role: "group" }, chart.table);
      chart.more = el("details", {}, el("summary", {}, "The figures"), chart.scroll);
      chart.node = el("figure", { class: "card", "data-chart": told.key }, chart.title, chart.say, chart.picture, chart.more);
      chart.more.addEventListener("toggle", () => chart.more.open && this.figures(chart));
      this.kept.set(told.key, chart);
    }
    chart.told = told;
    say(chart.title, told.title);
    say(chart.say, told.say);
    chart.scroll.setAttribute("aria-label", `Figures: ${told.title}`);
    chart.more.hidden = !told.rows.length;
    if (chart.svg !== told.svg) {
      chart.svg = told.svg;
      fill(chart.picture, told.svg ? drawn(told.svg) : null);
    }
    if (chart.more.open) this.figures(chart);
  }

  figures(chart) {
    fill(chart.table, table(chart.told.columns, chart.told.rows));
  }
}

function drawn(svg) {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  return parsed.localName === "svg" ? clean(parsed) : null;
}

function clean(node) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", node.localName);
  for (const { name, value } of node.attributes) {
    if (ATTRIBUTE.test(name) && name !== "xmlns") made.setAttribute(name, value);
  }
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.data);
    else if (child.nodeType === Node.ELEMENT_NODE && ELEMENTS.has(child.localName)) made.append(clean(child));
  }
  return made;
}
