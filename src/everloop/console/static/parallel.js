// <loop-parallel src="/runs/compare.json?…" colour="metrics.auc">: parallel coordinates of the
// columns that its address gives. A part of an axis that is dragged over keeps only the lines that
// pass there; by keyboard the arrows move a focused axis's ends, and Escape takes them back.
"use strict";
(() => {
  const [TOP, HEIGHT, STEP, SIDE] = [44, 260, 150, 60];

  class LoopParallel extends HTMLElement {
    static observedAttributes = ["src", "colour"];

    connectedCallback() {
      if (!this.place) {
        this.place = document.createElement("div");
        this.place.className = "parallel";
        this.said = document.createElement("p");
        this.said.className = "soft";
        this.said.setAttribute("role", "status");
        this.prepend(this.place, this.said);
      }
      this.load();
    }

    attributeChangedCallback(_, before, now) {
      if (this.place && before !== now) this.load();
    }

    async load() {
      try {
        const page = await plots.data(this.getAttribute("src"));
        this.runs = page.runs;
        this.axes = page.columns.filter((column) => column.values.some((value) => value !== null))
          .map((column) => ({ ...column, ...plots.scale(column.values), kept: null }));
        this.draw();
      } catch (error) {
        this.said.textContent = `This cannot be drawn: ${error.message}`;
      }
    }

    draw() {
      const width = 2 * SIDE + STEP * (this.axes.length - 1);
      const picture = plots.svg("svg", { width, height: TOP + HEIGHT + 30, viewBox: `0 0 ${width} ${TOP + HEIGHT + 30}`, role: "group", "aria-label": "Parallel coordinates" });
      const shade = this.axes.find((axis) => axis.name === this.getAttribute("colour"));
      this.lines = this.runs.map((run, index) => {
        const points = this.axes.map((axis, i) => [SIDE + i * STEP, axis.place(axis.values[index])]).filter(([, part]) => part !== null);
        const line = plots.svg("polyline", { points: points.map(([x, part]) => `${x},${this.down(part)}`).join(" ") });
        line.style.stroke = shade ? plots.colour(shade.place(shade.values[index])) : "var(--s0)";
        line.append(plots.svg("title", {}, run.name));
        picture.append(line);
        return line;
      });
      this.axes.forEach((axis, index) => picture.append(this.axis(axis, SIDE + index * STEP)));
      this.place.replaceChildren(picture);
      this.filter();
    }

    down(part) {
      return TOP + (1 - part) * HEIGHT;
    }

    axis(axis, x) {
      const group = plots.svg("g", { class: "axis", tabindex: 0, role: "slider", "aria-label": axis.name, "aria-valuemin": 0, "aria-valuemax": 100 });
      const text = plots.name(axis);
      const label = plots.svg("text", { x, y: TOP - 20, class: "name" }, text.length > 20 ? `${text.slice(0, 19)}…` : text);
      label.append(plots.svg("title", {}, axis.name));
      group.append(plots.svg("line", { x1: x, x2: x, y1: TOP, y2: TOP + HEIGHT }), label);
      for (const [part, text] of axis.ticks) group.append(plots.svg("text", { x: x + 6, y: this.down(part) + 4 }, text.length > 14 ? `${text.slice(0, 13)}…` : text));
      axis.brush = plots.svg("rect", { class: "brush", x: x - 8, width: 16 });
      axis.group = group;
      const reach = plots.svg("rect", { class: "reach", x: x - 16, y: TOP - 8, width: 32, height: HEIGHT + 16 });
      reach.addEventListener("pointerdown", (event) => this.drag(event, axis, reach));
      group.addEventListener("keydown", (event) => this.key(event, axis));
      group.append(axis.brush, reach);
      return group;
    }

    part(event) {
      const box = this.place.firstChild.getBoundingClientRect();
      return Math.max(0, Math.min(1, 1 - (event.clientY - box.top - TOP) / HEIGHT));
    }

    drag(event, axis, reach) {
      const from = this.part(event);
      reach.setPointerCapture(event.pointerId);
      const move = (moved) => {
        const to = this.part(moved);
        axis.kept = Math.abs(to - from) < 0.01 ? null : [Math.min(from, to), Math.max(from, to)];
        this.filter();
      };
      reach.addEventListener("pointermove", move);
      reach.addEventListener("pointerup", (ended) => {
        reach.removeEventListener("pointermove", move);
        move(ended);
      }, { once: true });
    }

    key(event, axis) {
      const [low, high] = axis.kept || [0, 1];
      if (event.key === "Escape") axis.kept = null;
      else if (event.key === "ArrowUp") axis.kept = [Math.min(low + 0.05, high), high];
      else if (event.key === "ArrowDown") axis.kept = [low, Math.max(high - 0.05, low)];
      else return;
      event.preventDefault();
      this.filter();
    }

    filter() {
      let left = 0;
      this.lines.forEach((line, index) => {
        const stays = this.axes.every(({ kept, place, values }) => {
          const part = place(values[index]);
          return !kept || (part !== null && part >= kept[0] - 1e-9 && part <= kept[1] + 1e-9);
        });
        line.classList.toggle("off", !stays);
        left += stays ? 1 : 0;
      });
      for (const { kept, brush, group } of this.axes) {
        brush.setAttribute("y", kept ? this.down(kept[1]) : 0);
        brush.setAttribute("height", kept ? (kept[1] - kept[0]) * HEIGHT : 0);
        group.setAttribute("aria-valuenow", kept ? Math.round(100 * kept[0]) : 0);
        group.setAttribute("aria-valuetext", kept ? `from ${Math.round(100 * kept[0])} % to ${Math.round(100 * kept[1])} %` : "all");
      }
      const names = this.runs.filter((_, index) => !this.lines[index].classList.contains("off")).map((run) => run.name);
      const few = left < this.runs.length && left > 0 && left <= 5 ? `: ${names.join(", ")}` : "";
      this.said.textContent = `${left} of ${this.runs.length}${few}`;
    }
  }
  customElements.define("loop-parallel", LoopParallel);
})();
