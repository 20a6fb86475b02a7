// Elements from text. All text of the page that is not in index.html comes through here, and only ever as text.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children, which are elements or texts.
function element(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

function svgElement(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.map((child) => typeof child === "string" ? shown(child) : child));
  return node;
}

const TRICKS = new RegExp([
  String.raw`[\p{Cc}\xad\u061c\u180e\ufeff\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufff9-\ufffb\u{e0000}-\u{e007f}`,
  // letters and marks by name, of which nothing is seen
  String.raw`\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`,
].join(""), "gu");

// Text of a file with every character escaped that could play tricks: control characters, and what reverses the order
// of reading or is not seen at all. With them, a hostile file could draw a verdict of its own.
function shown(text) {
  return text.toWellFormed().replace(TRICKS, (character) => `\\u{${character.codePointAt(0).toString(16)}}`);
}
