// What <loop-parallel> and <loop-scatter> share: their data, scales from values to places, colours.
"use strict";
const plots = (() => {
  const SPACE = "http://www.w3.org/2000/svg";
  const answers = new Map(); // both read the same address

  function data(url) {
    if (!answers.has(url)) {
      answers.set(url, fetch(url).then((answer) => {
        if (!answer.ok) throw new Error(answer.statusText);
        return answer.json();
      }));
    }
    return answers.get(url);
  }

  function svg(name, attributes = {}, text) {
    const made = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function brief(value) {
    if (typeof value !== "number") return String(value ?? "–");
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  }

  // From a column's values to 0..1: numbers by size (by their logarithm when they span much), words
  // by order. Without a value there is no place.
  function scale(values) {
    const known = values.filter((value) => value !== null);
    if (!known.every((value) => typeof value === "number")) {
      const words = [...new Set(known.map(String))].sort();
      const place = (value) => (value === null ? null : words.length < 2 ? 0.5 : words.indexOf(String(value)) / (words.length - 1));
      return { place, ticks: words.slice(0, 12).map((word) => [place(word), word]) };
    }
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const log = low > 0 && high / low > 100;
    const by = log ? Math.log : (value) => value;
    const width = by(high) - by(low);
    const place = (value) => (value === null ? null : width === 0 ? 0.5 : (by(value) - by(low)) / width);
    const back = (part) => (log ? Math.exp(by(low) + part * width) : low + part * width);
    const parts = width === 0 ? [0.5] : [0, 0.25, 0.5, 0.75, 1];
    return { place, ticks: parts.map((part) => [part, brief(width === 0 ? low : back(part))]) };
  }

  // From blue to orange, which people with colour blindness tell apart too.
  function colour(part) {
    if (part === null || part === undefined) return "var(--soft)";
    return `color-mix(in oklab, var(--s1) ${Math.round(100 * part)}%, var(--s0))`;
  }

  // The brief name of a column: without its kind.
  const name = (column) => column.name.replace(/^(params|metrics)\./, "");

  return { data, svg, brief, scale, colour, name };
})();
