// JSON as one object per text, read strictly: each key stands once in its object, and whole numbers keep all their
// digits. JSON.parse takes the last of two equal keys, so a line that has them could say one thing here and another to
// the next reader; and it rounds numbers beyond 2^53.
"use strict";

const JSON_DEPTH_MAX = 127;

// Objects become Maps, whole numbers from 0 BigInts, other numbers Numbers. Throws a SyntaxError.
function parseJsonObject(text) {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.token(/$/y, "the end");
  if (!(value instanceof Map)) throw new SyntaxError("it is not a JSON object");
  return value;
}

class JsonReader {
  #text;
  #at = 0;

  constructor(text) {
    this.#text = text;
  }

  value(depth) {
    if (depth > JSON_DEPTH_MAX) throw new SyntaxError("it nests too deep");
    const token = this.token(/[{["]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y, "a value");
    if (token === "{") return this.#object(depth);
    if (token === "[") return this.#list(depth);
    if (token === '"') return this.#string();
    if (/^\d+$/.test(token)) return BigInt(token);
    const value = JSON.parse(token);
    if (value === Infinity || value === -Infinity) throw new SyntaxError("a number is out of range");
    return value;
  }

  // The next token of this form, which must stand behind the blanks at hand.
  token(form, expected) {
    const blanks = /[ \t\r\n]*/y;
    blanks.lastIndex = this.#at;
    blanks.exec(this.#text);
    const start = form.lastIndex = blanks.lastIndex;
    const found = form.exec(this.#text);
    if (found === null) throw new SyntaxError(`${expected} is missing at character ${start + 1}`);
    this.#at = form.lastIndex;
    return found[0];
  }

  #object(depth) {
    const object = new Map();
    if (this.token(/\}|(?=")/y, "a key") === "}") return object;
    do {
      this.token(/"/y, "a key");
      const key = this.#string();
      if (object.has(key)) throw new SyntaxError(`key ${key} stands twice in one object`);
      this.token(/:/y, ":");
      object.set(key, this.value(depth + 1));
    } while (this.token(/[,}]/y, ", or }") === ",");
    return object;
  }

  #list(depth) {
    const list = [];
    if (this.token(/\]|/y, "") === "]") return list;
    do list.push(this.value(depth + 1)); while (this.token(/[,\]]/y, ", or ]") === ",");
    return list;
  }

  // The rest of a string. A lone half of a surrogate pair is no text.
  #string() {
    const start = this.#at - 1;
    for (let code; (code = this.#text.charCodeAt(this.#at)) !== 0x22; this.#at++) {
      if (!(code >= 0x20)) throw new SyntaxError("a string does not end, or has a control character");
      if (code === 0x5c) this.#at++;
    }
    this.#at++;
    const string = JSON.parse(this.#text.slice(start, this.#at));
    if (!string.isWellFormed()) throw new SyntaxError("a string has half of a character");
    return string;
  }
}
