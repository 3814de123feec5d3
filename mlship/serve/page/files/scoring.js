// A file is scored in parts: each is asked for as CSV, so that figures keep their digits, and where rows were rejected
// those rows are asked for once more as JSON, which tells the reasons. In the result a record of a file with commas
// stands as it does in the file, and any other is quoted where it has to be: the values are those that batch writes,
// and the bytes too where the file has the quotes that batch would write.

import { ask, Refused } from "./api.js";
import { delimiterOf, fieldsOf, hasDecimalCommas, recordOf, Records, tooLong } from "./csv.js";

const WORDS = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe" };
const LOOKED_AT = 200; // records, and characters, by which it is found how numbers are written, as batch finds it
const LOOKED_THROUGH = 1 << 20;
const PATIENCE = 5; // times that a busy server is asked again
const SPARE = 0.9; // of the largest body: what is left is for what the page does not count

export class Scoring {
  constructor(model, limits, signal, onProgress) {
    this.model = model;
    this.limits = limits;
    this.signal = signal;
    this.onProgress = onProgress;
    this.scored = this.rejected = this.rows = this.parts = 0;
    this.results = [];
    this.rejects = [];
    this.preview = [];
    this.reasons = new Map();
    this.encoder = new TextEncoder();
  }

  async run(file) {
    const names = this.model.inputs.map((input) => input.name);
    const decoder = new TextDecoder(await encodingOf(file), { fatal: true });
    const reader = file.stream().getReader();
    let waiting = [];
    let size = 0;
    let read = 0;
    let records = null;
    let head = "";
    let held = [];
    const take = async (found) => {
      for (const record of found) {
        if (record === "" && this.columns.length > 1) continue; // an empty line is no record
        const length = this.encoder.encode(record).length + 2;
        if (length + this.headSize > this.limits.body) throw new Error(tooLong(this.limits.body));
        const full = waiting.length >= this.limits.rows || size + length > SPARE * this.limits.body - this.headSize;
        if (full && waiting.length) {
          await this.part(waiting);
          waiting = [];
          size = 0;
          this.onProgress(read / file.size, this);
        }
        waiting.push(record);
        size += length;
      }
    };
    for (;;) {
      const { done, value } = await reader.read();
      let text = decoded(decoder, value, done);
      read += value?.length ?? 0;
      if (records === null) {
        head += text;
        const started = head.replace(/^[\r\n]+/, "");
        const first = done ? started.length : started.indexOf("\n");
        if (started.length > this.limits.body && first < 0) throw new Error(tooLong(this.limits.body));
        if (first < 0) continue;
        if (!started) throw new Error("The file is empty.");
        records = new Records(delimiterOf(started.slice(0, first), names), this.limits.body);
        text = started;
      }
      held = held.concat(records.push(text));
      const last = done ? records.end() : [];
      if (!this.columns && held.length + last.length) this.begin(held.shift() ?? last.shift(), records.delimiter);
      if (this.columns && (done || this.type || held.length >= LOOKED_AT || read > LOOKED_THROUGH)) {
        this.type ??= this.typeOf(held); // as in batch, by lines that end
        const found = held.concat(last);
        held = [];
        await take(found);
      }
      if (done) break;
    }
    if (waiting.length || !this.parts) await this.part(waiting);
    this.onProgress(1, this);
  }

  begin(header, delimiter) {
    this.header = header;
    this.headSize = this.encoder.encode(header).length + 2;
    this.delimiter = delimiter;
    this.columns = fieldsOf(header, delimiter);
    const lacking = this.model.inputs.map((input) => input.name).filter((name) => !this.columns.includes(name));
    if (lacking.length) throw new Error(this.lacks(lacking));
    const outputs = new Set(this.model.outputs.map((output) => output.name));
    this.kept = this.columns.map((name) => {
      let own = name;
      while (outputs.has(own)) own = `input_${own}`;
      return own;
    });
  }

  lacks(names) {
    if (names.length === this.model.inputs.length) return "The file has none of the model's columns in its first line.";
    const first = names.slice(0, 10).map((name) => `'${name}'`).join(", ");
    const more = names.length > 10 ? ` and ${names.length - 10} more` : "";
    return `The file lacks ${names.length} column${names.length > 1 ? "s" : ""} that the model needs: ${first}${more}.`;
  }

  // What is told of the file with each part of it, which alone might look otherwise than the whole.
  typeOf(records) {
    let size = 0;
    const first = records.slice(0, LOOKED_AT).filter((record) => (size += record.length + 1) <= LOOKED_THROUGH);
    const commas = hasDecimalCommas(first, this.columns, this.delimiter, this.model.inputs);
    return `text/csv; delimiter=${WORDS[this.delimiter]}; decimal=${commas ? "comma" : "point"}`;
  }

  async part(records) {
    this.signal.throwIfAborted();
    const response = await this.send(records, "text/csv");
    this.check(response.headers.get("X-Mlship-Digest"));
    const marked = Number(response.headers.get("X-Mlship-Rejected-Rows") ?? 0);
    const lines = new Records(",");
    const answers = [...lines.push(await response.text()), ...lines.end()];
    const head = answers.shift();
    if (answers.length !== records.length) throw new Error("The server counts the file's rows differently; score it with mlship batch.");
    const reasons = marked ? await this.reasonsOf(records, answers) : new Map();
    if (reasons.size !== marked) throw new Error("The server tells reasons for other rows than it rejected; score the file with mlship batch.");
    if (!this.parts) {
      this.results.push(`${recordOf(this.kept)},${head}\n`);
      this.rejects.push(`${recordOf(["row", "reasons", ...this.columns])}\n`);
      this.shown = [...fieldsOf(head, ","), ...this.kept];
    }
    const [good, bad] = [[], []];
    records.forEach((record, place) => {
      const plain = this.delimiter === "," ? record : recordOf(fieldsOf(record, this.delimiter));
      const why = reasons.get(place);
      this.rows += 1;
      if (why) bad.push(`${recordOf([String(this.rows), why.join("; ")])},${plain}\n`);
      else good.push(`${plain},${answers[place]}\n`);
      if (!why && this.preview.length < 5) this.preview.push([...fieldsOf(answers[place], ","), ...fieldsOf(plain, ",")]);
    });
    this.scored += good.length;
    this.rejected += bad.length;
    this.results.push(new Blob(good)); // which the browser may keep on its disk
    if (bad.length) this.rejects.push(new Blob(bad));
    this.parts += 1;
  }

  // The reasons by place; only rows whose answer is empty can have been rejected.
  async reasonsOf(records, answers) {
    const places = [...answers.keys()].filter((place) => /^[",]*$/.test(answers[place]));
    const response = await this.send(places.map((place) => records[place]), "application/json");
    const told = await response.json();
    this.check(told.model.digest);
    const found = new Map();
    for (const { row, column, code } of told.rejected) {
      const place = places[row];
      found.set(place, [...(found.get(place) ?? []), column === null ? code : `${column}: ${code}`]);
      this.reasons.set(code, (this.reasons.get(code) ?? 0) + 1);
    }
    return found;
  }

  check(digest) {
    this.digest ??= digest;
    if (digest !== this.digest) throw new Error("Another version of the model took over meanwhile; score the file again.");
  }

  async send(records, accept) {
    const body = `${[this.header, ...records].join("\r\n")}\r\n`;
    for (let times = 0; ; times += 1) {
      try {
        return await ask(`${this.model.path}?on_error=reject`, { body, type: this.type, accept, signal: this.signal });
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 503 || times >= PATIENCE) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(1, error.retry)));
      }
    }
  }
}

async function encodingOf(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
}

function decoded(decoder, value, done) {
  try {
    return value ? decoder.decode(value, { stream: !done }) : decoder.decode();
  } catch {
    throw new Error("The file is not text in UTF-8. Save it as such, or score it with mlship batch, which takes --encoding.");
  }
}
