// A file of CSV, dropped or chosen: scored, told, and handed back.

import { Refused } from "./api.js";
import { byId, count, el, fill, say, table } from "./dom.js";
import { Scoring } from "./scoring.js";

export class FileWork {
  constructor() {
    this.zone = byId("drop");
    this.input = byId("chosen");
    this.urls = [];
    this.input.addEventListener("change", () => this.input.files[0] && this.score(this.input.files[0]));
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
      this.zone.addEventListener(kind, (event) => {
        event.preventDefault();
        this.zone.classList.toggle("over", kind === "dragenter" || kind === "dragover");
      });
    }
    this.zone.addEventListener("drop", (event) => {
      const file = event.dataTransfer.files[0];
      if (file) this.score(file);
    });
    // A file that misses the zone would take the place of the page.
    for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  }

  show(model, limits, codes) {
    const same = this.model?.name === model.name;
    this.model = model;
    this.limits = limits;
    this.codes = codes;
    if (same) return; // what another version of it has scored stays
    this.stop();
    this.input.value = "";
    fill(byId("file-shown"));
    say(byId("file-said"), "");
  }

  stop() {
    this.under?.abort();
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
  }

  async score(file) {
    this.stop();
    const under = new AbortController();
    this.under = under;
    const progress = el("progress", { max: 1, value: 0, "aria-label": `Scoring ${file.name}` });
    const told = el("p", { class: "hint" });
    const stop = el("button", { type: "button", class: "plain" }, "Stop");
    stop.addEventListener("click", () => under.abort());
    fill(byId("file-shown"), progress, told, stop);
    say(byId("file-said"), `Scoring ${file.name} …`);
    const scoring = new Scoring(this.model, this.limits, under.signal, (share, { scored, rejected }) => {
      progress.value = share;
      told.textContent = `${count(scored)} scored, ${count(rejected)} rejected so far`;
    });
    try {
      await scoring.run(file);
      if (this.under === under) this.done(file, scoring);
    } catch (error) {
      if (this.under !== under) return;
      fill(byId("file-shown"));
      if (under.signal.aborted) say(byId("file-said"), `Stopped. Nothing of ${file.name} was kept.`);
      else fill(byId("file-shown"), el("p", { class: "error" }, reason(error)));
      if (!under.signal.aborted) say(byId("file-said"), `${file.name} was not scored.`);
    }
    this.input.value = ""; // so that the same file can be chosen again
  }

  done(file, scoring) {
    const stem = file.name.replace(/\.[^.]*$/, "");
    say(byId("file-said"), `${file.name}: ${rows(scoring.scored)} scored, ${rows(scoring.rejected)} rejected.`);
    const links = [this.link(scoring.results, `${stem}.scored.csv`, "Download the result")];
    if (scoring.rejected) links.push(this.link(scoring.rejects, `${stem}.rejects.csv`, "Download the rejects"));
    const why = [...scoring.reasons].map(([code, times]) => el("li", {}, `${count(times)} × ${code}: ${this.codes[code] ?? ""}`));
    const preview = scoring.preview.length
      ? el(
          "div",
          { class: "scroll", tabindex: 0, role: "group", "aria-label": "First rows" },
          table(scoring.shown, scoring.preview, "The first rows, answers first"),
        )
      : null;
    fill(byId("file-shown"), el("p", { class: "row" }, ...links), why.length ? el("ul", {}, ...why) : null, preview);
  }

  link(parts, name, text) {
    const url = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
    this.urls.push(url);
    return el("a", { class: "button", href: url, download: name }, text);
  }
}

const rows = (number) => (number === 1 ? "1 row" : `${count(number)} rows`);

function reason(error) {
  if (error instanceof Refused || error.constructor === Error) return error.message;
  console.warn(error);
  return "The server cannot be reached.";
}
