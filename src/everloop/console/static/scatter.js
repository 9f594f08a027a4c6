// <loop-scatter src="/runs/compare.json?…" across="params.lr" up="metrics.auc" colour="…">: a dot
// for each run, a link to it. The table inside stays, for whoever reads rather than looks.
"use strict";
(() => {
  const [LEFT, TOP, WIDTH, HEIGHT] = [86, 14, 610, 280];

  class LoopScatter extends HTMLElement {
    static observedAttributes = ["src", "across", "up", "colour"];

    connectedCallback() {
      if (!this.place) {
        this.place = document.createElement("div");
        this.place.className = "scatter scroll";
        this.prepend(this.place);
      }
      this.load();
    }

    attributeChangedCallback(_, before, now) {
      if (this.place && before !== now) this.load();
    }

    async load() {
      try {
        const page = await plots.data(this.getAttribute("src"));
        this.draw(page, (name) => page.columns.find((column) => column.name === this.getAttribute(name)));
      } catch (error) {
        this.place.textContent = `This cannot be drawn: ${error.message}`;
      }
    }

    draw(page, column) {
      const [across, up, shade] = [column("across"), column("up"), column("colour")];
      if (!across || !up) return this.place.replaceChildren();
      const [x, y, tint] = [across, up, shade].map((one) => one && plots.scale(one.values));
      const picture = plots.svg("svg", { width: LEFT + WIDTH + 40, height: TOP + HEIGHT + 56, role: "group", "aria-label": `${up.name} against ${across.name}` });
      for (const [part, text] of y.ticks) {
        const at = TOP + (1 - part) * HEIGHT;
        picture.append(plots.svg("line", { x1: LEFT, x2: LEFT + WIDTH, y1: at, y2: at, class: "grid" }), plots.svg("text", { x: LEFT - 8, y: at + 4, class: "end" }, text.slice(0, 10)));
      }
      for (const [part, text] of x.ticks) picture.append(plots.svg("text", { x: LEFT + part * WIDTH, y: TOP + HEIGHT + 22, class: "mid" }, text.slice(0, 12)));
      picture.append(plots.svg("text", { x: LEFT + WIDTH / 2, y: TOP + HEIGHT + 46, class: "mid name" }, across.name));
      picture.append(plots.svg("text", { class: "mid name", transform: `translate(12 ${TOP + HEIGHT / 2}) rotate(-90)` }, up.name));
      page.runs.forEach((run, index) => {
        const [px, py] = [x.place(across.values[index]), y.place(up.values[index])];
        if (px === null || py === null) return;
        const link = plots.svg("a", { href: `/runs/${run.id}`, "aria-label": run.name });
        const dot = plots.svg("circle", { cx: LEFT + px * WIDTH, cy: TOP + (1 - py) * HEIGHT, r: 5.5 });
        dot.style.fill = shade ? plots.colour(tint.place(shade.values[index])) : "var(--s0)";
        const said = [run.name, `${plots.name(across)} ${plots.brief(across.values[index])}`, `${plots.name(up)} ${plots.brief(up.values[index])}`];
        if (shade) said.push(`${plots.name(shade)} ${plots.brief(shade.values[index])}`);
        dot.append(plots.svg("title", {}, said.join("\n")));
        link.append(dot);
        picture.append(link);
      });
      this.place.replaceChildren(picture);
    }
  }
  customElements.define("loop-scatter", LoopScatter);
})();
