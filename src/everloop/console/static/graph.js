// <loop-graph data-graph="{about, nodes, edges}">: draws a lineage from left to right, or from top
// to bottom where there is little room. Inside it stands the same as a nested list, which stays for
// readers and takes over where nothing can be drawn.
"use strict";

const NODE = { width: 148, height: 50 };
// What an arrow between two kinds says by itself.
const PLAIN = new Set(["trained on", "made", "logged", "labels came", "labelled rows of the log"]);
const SMALLEST = 0.8; // of its size; a wider drawing scrolls
const SVG = "http://www.w3.org/2000/svg";

class LoopGraph extends HTMLElement {
  static observedAttributes = ["data-graph"];

  connectedCallback() {
    this.watch = new ResizeObserver(() => {
      if (this.narrow !== this.isNarrow()) this.draw();
    });
    this.watch.observe(this);
    this.draw();
  }

  disconnectedCallback() {
    this.watch.disconnect();
  }

  attributeChangedCallback(name, before) {
    if (before !== null && this.isConnected) this.draw();
  }

  isNarrow() {
    return this.clientWidth < 640;
  }

  draw() {
    const { about, nodes, edges } = JSON.parse(this.dataset.graph);
    this.narrow = this.isNarrow();
    const graph = new dagre.graphlib.Graph({ multigraph: false });
    graph.setGraph({ rankdir: this.narrow ? "TB" : "LR", nodesep: 18, ranksep: this.narrow ? 22 : 24, marginx: 4, marginy: 10 });
    graph.setDefaultEdgeLabel(() => ({}));
    nodes.forEach((node) => graph.setNode(node.id, { ...NODE, node }));
    edges.forEach(({ source, target, what }) => {
      const shown = PLAIN.has(what) ? "" : what || "";
      const width = 6 * Math.min(shown.length, 18);
      graph.setEdge(source, target, { what: shown, width, height: shown ? 14 : 0, labelpos: "c" });
    });
    dagre.layout(graph);
    const { width, height } = graph.graph();
    const focused = this.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    this.querySelector(":scope > svg")?.remove();
    const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "Lineage" });
    graph.edges().forEach((edge) => svg.append(...edgeOf(graph.edge(edge))));
    // In the order of the drawing, so that the Tab key goes from the data to the labels.
    const along = this.narrow ? "y" : "x";
    const placed = graph.nodes().map((id) => graph.node(id)).sort((a, b) => a[along] - b[along] || a.y - b.y);
    placed.forEach((place) => svg.append(nodeOf(place, place.node.id === about)));
    svg.style.minWidth = `${Math.min(width, SMALLEST * width)}px`;
    this.append(svg);
    this.classList.add("drawn");
    const list = this.querySelector(".tree"); // once drawn, links are found once
    list?.setAttribute("inert", "");
    if (focused) svg.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }
}

function nodeOf({ x, y, node }, about) {
  const group = made("g", { class: `node ${node.kind}${about ? " about" : ""}`, transform: `translate(${x - NODE.width / 2} ${y - NODE.height / 2})` });
  group.append(
    made("rect", { class: "box", width: NODE.width, height: NODE.height, rx: 8 }),
    made("rect", { class: "stripe", x: 1, y: 8, width: 4, height: NODE.height - 16, rx: 2 }),
    inside(text(node.name, { class: "name", x: 12, y: 21 }, 17), text(node.facts || node.kind, { x: 12, y: 38 }, 22)),
    made("title", {}, [node.kind, node.name, node.facts].filter(Boolean).join(", ")),
  );
  if (!node.page) return group;
  const link = made("a", { href: node.page, "aria-label": [node.kind, node.name, node.facts].filter(Boolean).join(", ") });
  if (about) link.setAttribute("aria-current", "true");
  link.append(group);
  return link;
}

function edgeOf({ points, what, x, y }) {
  const [first, ...rest] = points;
  const last = rest[rest.length - 1];
  const before = points[points.length - 2];
  const path = `M${first.x} ${first.y}` + rest.map((p) => `L${p.x} ${p.y}`).join("");
  const angle = (Math.atan2(last.y - before.y, last.x - before.x) * 180) / Math.PI;
  const parts = [
    made("path", { class: "edge", d: path }),
    made("path", { class: "tip", d: "M0 0L-7 -3.5L-7 3.5Z", transform: `translate(${last.x} ${last.y}) rotate(${angle})` }),
  ];
  if (what) parts.push(text(what, { class: "what", x, y: y + 4 }, 18));
  return parts;
}

// What is wider than its node is cut off there.
function inside(...parts) {
  const frame = made("svg", { width: NODE.width - 4, height: NODE.height });
  frame.append(...parts);
  return frame;
}

// A text without its middle, so that it ends with its version.
function cut(value, most) {
  const letters = [...value];
  if (letters.length <= most) return value;
  const end = Math.min(10, most - 2);
  return letters.slice(0, most - end - 1).join("") + "…" + letters.slice(-end).join("");
}

function text(value, attributes, most) {
  const shown = cut(value, most);
  const element = made("text", { ...attributes, "unicode-bidi": "isolate" }, shown);
  if (shown !== value) element.append(made("title", {}, value));
  return element;
}

function made(name, attributes, content) {
  const element = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  if (content !== undefined) element.textContent = content;
  return element;
}

customElements.define("loop-graph", LoopGraph);
