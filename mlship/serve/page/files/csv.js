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

// Takes a text in pieces and gives back the records that are whole, without their line ends.
export class Records {
  constructor(delimiter) {
    this.delimiter = delimiter;
    this.rest = "";
    this.open = ""; // the beginning of a record in which a quote is open
  }

  push(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop();
    return this.whole(lines);
  }

  end() {
    const found = this.rest === "" ? [] : this.whole([this.rest]);
    if (this.open) throw new Error("A quote in the file is never closed.");
    return found;
  }

  whole(lines) {
    const found = [];
    for (const line of lines) {
      const record = this.open ? `${this.open}\n${line}` : line;
      if (record.includes('"') && isOpen(record, this.delimiter)) {
        this.open = record;
        continue;
      }
      this.open = "";
      found.push(record.endsWith("\r") ? record.slice(0, -1) : record);
    }
    return found;
  }
}

function isOpen(record, delimiter) {
  let at = 0;
  for (;;) {
    if (record[at] === '"') {
      at += 1;
      for (;;) {
        const close = record.indexOf('"', at);
        if (close < 0) return true;
        at = close + 1;
        if (record[at] !== '"') break;
        at += 1;
      }
    }
    const next = record.indexOf(delimiter, at);
    if (next < 0) return false;
    at = next + 1;
  }
}
