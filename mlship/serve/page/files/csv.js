// CSV cut into records, as the server cuts it: a quote counts where it begins a field (RFC 4180).

const DELIMITERS = [",", ";", "\t", "|"];

// The delimiter that makes most of the model's names of a header; a comma where none is better.
export function delimiterOf(header, names) {
  const known = new Set(names);
  const found = DELIMITERS.map((delimiter) => fieldsOf(header, delimiter).filter((name) => known.has(name)).length);
  return DELIMITERS[found.indexOf(Math.max(...found))];
}

// The texts of a record's fields.
export function fieldsOf(record, delimiter) {
  const fields = [];
  let at = 0;
  for (;;) {
    let text = "";
    if (record[at] === '"') {
      at += 1;
      for (;;) {
        const close = record.indexOf('"', at);
        if (close < 0) {
          text += record.slice(at);
          at = record.length;
          break;
        }
        text += record.slice(at, close);
        at = close + 1;
        if (record[at] !== '"') break;
        text += '"';
        at += 1;
      }
    }
    const end = record.indexOf(delimiter, at);
    fields.push(text + record.slice(at, end < 0 ? record.length : end));
    if (end < 0) return fields;
    at = end + 1;
  }
}

// A record of CSV with commas, made of texts.
export const recordOf = (fields) => fields.map(quoted).join(",");

const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const NUMERIC = new Set(["float64", "float32", "int64"]);
const COMMA_NUMBER = /^[ \t]*[+-]?[0-9]+,[0-9]+(?:[eE][+-]?[0-9]+)?[ \t]*$/;
const GROUPED = /^[ \t]*[+-]?[1-9][0-9]{0,2},[0-9]{3}[ \t]*$/;

// Whether a file has decimal commas, by its first records as `mlship batch` finds it: numbers among them are written
// with commas, and none with a point. `1,500` alone says nothing.
export function hasDecimalCommas(records, columns, delimiter, inputs) {
  if (delimiter === ",") return false;
  const numbers = new Set(inputs.filter((input) => NUMERIC.has(input.dtype)).map((input) => input.name));
  let seen = false;
  for (const record of records) {
    const fields = fieldsOf(record, delimiter);
    if (fields.length !== columns.length) continue;
    for (const [place, text] of fields.entries()) {
      if (!numbers.has(columns[place])) continue;
      if (text.includes(".")) return false;
      seen ||= COMMA_NUMBER.test(text) && !GROUPED.test(text);
    }
  }
  return seen;
}

// Takes a text in pieces and gives back the records that are whole, without their line ends. A record of more than
// `most` characters is an error, if any number is given.
export class Records {
  constructor(delimiter, most = Infinity) {
    this.delimiter = delimiter;
    this.most = most;
    this.rest = []; // the pieces of a line without its end
    this.lines = []; // the lines of a record in which a quote is open
    this.size = 0; // characters of both
  }

  push(text) {
    const lines = text.split("\n");
    const last = lines.pop();
    const found = [];
    for (const line of lines) this.line(line, found);
    this.rest.push(last);
    this.grow(last.length);
    return found;
  }

  end() {
    const found = [];
    if (this.rest.some((piece) => piece !== "")) this.line("", found);
    if (this.lines.length) throw new Error("A quote in the file is never closed.");
    return found;
  }

  line(end, found) {
    this.grow(end.length + 1);
    this.rest.push(end);
    const line = this.rest.join("");
    this.rest = [];
    const within = this.lines.length > 0;
    this.lines.push(line);
    if ((within || line.includes('"')) && isOpen(line, this.delimiter, within)) return;
    const record = this.lines.join("\n");
    this.lines = [];
    this.size = 0;
    found.push(record.endsWith("\r") ? record.slice(0, -1) : record);
  }

  grow(more) {
    this.size += more;
    if (this.size > this.most) throw new Error(tooLong(this.most));
  }
}

export const tooLong = (most) =>
  `The file has a record of more than ${most.toLocaleString("en")} bytes, the most that this server takes at once; a quote in it may never be closed.`;

// Whether a quote is open at the end of a line, which begins within one or not.
function isOpen(line, delimiter, within) {
  let at = 0;
  for (;;) {
    if (within || line[at] === '"') {
      if (!within) at += 1;
      within = false;
      for (;;) {
        const close = line.indexOf('"', at);
        if (close < 0) return true;
        at = close + 1;
        if (line[at] !== '"') break;
        at += 1;
      }
    }
    const next = line.indexOf(delimiter, at);
    if (next < 0) return false;
    at = next + 1;
  }
}
