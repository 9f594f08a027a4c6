// <loop-curves src="/api/v1/metrics/curves?…" x="step|time|relative" from to smooth log live="/…/live">
// draws a metric of some runs. The server thins curves out, so a zoom asks it for the finer curve.
// What it is told by attributes comes from the page's form (data-curves), and is kept in the address.
"use strict";
(() => {
  const HEIGHT = 250;
  const MOST = 3000; // points of a live curve before the server is asked to thin it out
  const PAUSE = 3000; // ms between two looks of the page at the last values
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const streams = new Map(); // one for each address, whoever listens

  // The rest of the page, such as the table of last values, comes from the server.
  let looking = null;
  function lookAgain(pause) {
    if (pause && looking) return;
    clearTimeout(looking);
    looking = setTimeout(() => {
      looking = null;
      askAgain();
    }, pause);
  }

  function open(url, stream) {
    const tell = (kind, points) => stream.listeners.forEach((one) => one(kind, points));
    if (stream.source) stream.source.close();
    stream.begun = stream.over = false;
    stream.source = new EventSource(url);
    stream.source.addEventListener("state", () => {
      stream.begun = true;
      tell("state");
    });
    stream.source.addEventListener("points", (event) => {
      tell("points", JSON.parse(event.data));
      lookAgain(PAUSE);
    });
    stream.source.addEventListener("end", () => {
      stream.over = true;
      stream.source.close();
      tell("end");
      lookAgain(0);
    });
  }

  function hear(url, listener) {
    let stream = streams.get(url);
    if (!stream) {
      stream = { listeners: new Set() };
      streams.set(url, stream);
      open(url, stream);
    }
    stream.listeners.add(listener);
    if (stream.begun) listener("state");
    return () => {
      stream.listeners.delete(listener);
      if (stream.listeners.size) return;
      stream.source.close();
      streams.delete(url);
    };
  }

  // A hidden page lets its connections go, since a browser has only six for a server.
  document.addEventListener("visibilitychange", () => {
    for (const [url, stream] of streams) {
      if (document.hidden) stream.source.close();
      else if (!stream.over) open(url, stream);
    }
  });

  // The same as smoothed() in console/curves.py.
  function smoothed(values, weight) {
    let mean = 0;
    let rest = 1;
    return values.map((value) => {
      if (value === null) return null;
      mean = weight * mean + (1 - weight) * value;
      rest *= weight;
      return mean / (1 - rest);
    });
  }

  function colour(index, css) {
    if (index < 4) return css.getPropertyValue(`--s${index}`).trim();
    return `hsl(${Math.round((index * 137.5 + 210) % 360)} 60% ${dark.matches ? 68 : 40}%)`;
  }

  function brief(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-4)) return value.toExponential(3);
    return String(Number(value.toPrecision(4)));
  }

  function span(seconds) {
    const size = Math.abs(seconds);
    const two = (value) => String(Math.floor(value)).padStart(2, "0");
    if (size < 120) return `${brief(seconds)} s`;
    if (size < 7200) return `${Math.floor(size / 60)}:${two(size % 60)} min`;
    if (size < 172800) return `${Math.floor(size / 3600)}:${two((size % 3600) / 60)} h`;
    return `${brief(seconds / 86400)} d`;
  }

  // As the rest of the console: UTC, and the day where it begins.
  function moments(ticks, step) {
    let day = "";
    return ticks.map((tick) => {
      const [date, time] = new Date(tick * 1000).toISOString().split("T");
      const text = step >= 86400 ? "" : time.slice(0, step >= 60 ? 5 : step >= 1 ? 8 : 12);
      const fresh = date !== day;
      day = date;
      return fresh ? `${text}\n${date}` : text;
    });
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  class LoopCurves extends HTMLElement {
    static observedAttributes = ["src", "x", "from", "to", "smooth", "log", "live"];

    connectedCallback() {
      if (!this.plot) this.build();
      this.seen = new IntersectionObserver((found) => found.some((one) => one.isIntersecting) && this.begin(), { rootMargin: "300px" });
      this.seen.observe(this);
      this.sized = new ResizeObserver(() => this.chart && this.chart.setSize({ width: this.width(), height: HEIGHT }));
      this.sized.observe(this);
      this.again = () => this.draw(true);
      dark.addEventListener("change", this.again);
    }

    disconnectedCallback() {
      this.seen.disconnect();
      this.sized.disconnect();
      dark.removeEventListener("change", this.again);
      if (this.silence) this.silence();
      this.silence = null;
      this.begun = false;
    }

    attributeChangedCallback(name, before, now) {
      if (before === now || !this.begun) return;
      if (name === "smooth" || name === "log") return this.draw(true);
      if (name === "live") return this.follow();
      if (this.due) return;
      this.due = true; // several attributes change at once
      queueMicrotask(() => {
        this.due = false;
        this.load();
      });
    }

    build() {
      this.hidden_ = new Set();
      this.plot = element("div", "plot");
      this.plot.tabIndex = 0;
      this.plot.setAttribute("role", "img");
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.said = element("p", "soft");
      this.said.setAttribute("role", "status");
      this.legend = element("table", "legend");
      const scroll = element("div", "legends");
      scroll.append(this.legend);
      this.append(this.plot, this.said, scroll);
    }

    begin() {
      this.seen.disconnect();
      if (this.begun) return;
      this.begun = true;
      if (this.hasAttribute("live")) this.follow();
      else this.load();
    }

    // What is logged between the stream's beginning and the first answer comes in both.
    follow() {
      if (this.silence) this.silence();
      this.silence = null;
      const url = this.getAttribute("live");
      if (!url) return this.load();
      this.silence = hear(url, (kind, points) => {
        if (kind !== "points") return this.load();
        this.add(points);
      });
    }

    add(points) {
      if (!this.data || this.hasAttribute("from") || this.hasAttribute("to")) return;
      const [curve] = this.data.curves;
      const fresh = points[this.data.key];
      if (!fresh || !curve) return;
      const before = new Set(curve.step.map((step, i) => `${step} ${curve.at[i]}`));
      for (const [step, at, value] of fresh) {
        if (before.has(`${step} ${at}`)) continue;
        curve.step.push(step);
        curve.at.push(at);
        curve.value.push(value);
        curve.points += 1;
      }
      if (curve.step.length > MOST) return this.load();
      const order = curve.step.map((_, i) => i);
      const by = this.axis() === "step" ? curve.step : curve.at;
      order.sort((a, b) => by[a] - by[b]);
      for (const name of ["step", "at", "value"]) curve[name] = order.map((i) => curve[name][i]);
      this.draw();
    }

    axis() {
      return this.getAttribute("x") || "step";
    }

    width() {
      return Math.max(200, this.plot.clientWidth);
    }

    async load() {
      if (this.asking) this.asking.abort();
      const asking = (this.asking = new AbortController());
      const url = new URL(this.getAttribute("src"), location.href);
      url.searchParams.set("x", this.axis());
      for (const name of ["from", "to"]) {
        if (this.hasAttribute(name)) url.searchParams.set(name, this.getAttribute(name));
      }
      if (!this.data) this.said.textContent = "Loading…";
      try {
        const answer = await fetch(url, { signal: asking.signal });
        const data = await answer.json();
        if (!answer.ok) throw new Error(data.error ? data.error.message : answer.statusText);
        this.data = data;
        this.draw(true);
      } catch (error) {
        if (error.name !== "AbortError") this.said.textContent = `This curve cannot be shown: ${error.message}`;
      } finally {
        if (this.asking === asking) this.asking = null;
      }
    }

    // By column, as uPlot wants it: one x for all, and a row of values for each line.
    columns() {
      const log = this.hasAttribute("log");
      const weight = Number(this.getAttribute("smooth")) || 0;
      const axis = this.axis();
      const tables = [];
      this.data.curves.forEach((curve) => {
        const start = axis === "relative" ? curve.begun : 0;
        const xs = axis === "step" ? curve.step : curve.at.map((at) => (at - start) / 1000);
        const shown = (values) => (log ? values.map((v) => (v > 0 ? v : null)) : values);
        const rows = weight ? [shown(curve.value), shown(smoothed(curve.value, weight))] : [shown(curve.value)];
        tables.push([xs, ...rows]);
      });
      return tables.length === 1 ? tables[0] : uPlot.join(tables);
    }

    draw(anew = false) {
      if (!this.data) return;
      const columns = this.columns();
      const empty = columns.length < 2 || columns[0].length === 0;
      this.said.textContent = empty ? "No value was logged here." : this.thinned();
      if (this.chart && !anew) {
        this.chart.setData(columns);
      } else {
        if (this.chart) this.chart.destroy();
        this.chart = new uPlot(this.options(), columns, this.plot);
        this.rows();
      }
      this.plot.setAttribute("aria-label", `${this.data.key}: ${this.data.curves.length} curves. Left and right read values, plus shows the half around the cursor, Escape shows all.`);
      this.read();
    }

    thinned() {
      const all = this.data.curves.reduce((sum, curve) => sum + curve.points, 0);
      const drawn = this.data.curves.reduce((sum, curve) => sum + curve.step.length, 0);
      if (drawn >= all) return "";
      return `${drawn.toLocaleString("en")} of ${all.toLocaleString("en")} points, the least and greatest among them. Drag to see more.`;
    }

    options() {
      const css = getComputedStyle(this);
      const [soft, grid] = ["--soft", "--grid"].map((name) => css.getPropertyValue(name).trim());
      const axis = this.axis();
      const line = { stroke: soft, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
      const two = Boolean(Number(this.getAttribute("smooth")));
      const series = [{}];
      this.data.curves.forEach((curve, index) => {
        const own = { stroke: colour(index, css), width: 2, points: { show: curve.step.length < 2 ? true : undefined, size: 4 }, show: !this.hidden_.has(curve.run) };
        if (two) series.push({ ...own, width: 1, alpha: 0.25, points: { show: false } });
        series.push(own);
      });
      const spans = {};
      if (axis === "relative") spans.values = (_, ticks) => ticks.map(span);
      if (axis === "time") spans.values = (_, ticks, __, ___, step) => moments(ticks, step);
      return {
        width: this.width(),
        height: HEIGHT,
        series,
        axes: [{ ...line, ...spans }, { ...line, size: 64, values: (_, ticks) => ticks.map((t) => (t === null ? "" : brief(t))) }],
        scales: { x: { time: axis === "time" }, y: this.hasAttribute("log") ? { distr: 3 } : {} },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: {
          drag: { x: true, y: false, setScale: false },
          bind: { dblclick: () => () => this.zoom(null, null) },
        },
        hooks: {
          setCursor: [() => this.read()],
          setSelect: [(chart) => this.selected(chart)],
        },
      };
    }

    selected(chart) {
      const { left, width } = chart.select;
      if (width < 3) return;
      const [low, high] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
      chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      const factor = this.axis() === "step" ? 1 : 1000;
      const from = Math.floor(low * factor);
      this.zoom(from, Math.max(from + 1, Math.ceil(high * factor)));
    }

    zoom(from, to) {
      this.dispatchEvent(new CustomEvent("loop-zoom", { bubbles: true, detail: { from, to } }));
    }

    key(event) {
      if (event.key === "Escape") return this.zoom(null, null);
      if (event.key === "+" && this.chart) return this.closer();
      const way = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!way || !this.chart) return;
      event.preventDefault();
      const last = this.chart.data[0].length - 1;
      const now = this.chart.cursor.idx ?? (way > 0 ? -1 : last + 1);
      const index = Math.max(0, Math.min(last, now + way));
      this.chart.setCursor({ left: this.chart.valToPos(this.chart.data[0][index], "x"), top: 10 });
    }

    // Half of what is shown, around the cursor.
    closer() {
      const { min, max } = this.chart.scales.x;
      const at = this.chart.cursor.idx;
      const middle = at === null || at === undefined ? (min + max) / 2 : this.chart.data[0][at];
      const factor = this.axis() === "step" ? 1 : 1000;
      const from = Math.floor(Math.max(min, middle - (max - min) / 4) * factor);
      this.zoom(from, Math.max(from + 1, Math.ceil(Math.min(max, middle + (max - min) / 4) * factor)));
    }

    rows() {
      const css = getComputedStyle(this);
      this.legend.replaceChildren();
      this.cells = this.data.curves.map((curve, index) => {
        const row = this.legend.insertRow();
        const head = document.createElement("th");
        head.scope = "row";
        const button = element("button", "line");
        button.type = "button";
        button.setAttribute("aria-pressed", String(!this.hidden_.has(curve.run)));
        const mark = element("i");
        mark.style.background = colour(index, css);
        button.append(mark, element("bdi", "", this.data.curves.length > 1 ? curve.name : this.data.key));
        button.addEventListener("click", () => this.toggle(curve.run, index, button));
        head.append(button);
        row.append(head);
        const cell = row.insertCell();
        cell.className = "n";
        return cell;
      });
      this.legend.createCaption().className = "soft";
    }

    toggle(run, index, button) {
      const shown = this.hidden_.delete(run);
      if (!shown) this.hidden_.add(run);
      button.setAttribute("aria-pressed", String(shown));
      const each = (this.chart.series.length - 1) / this.data.curves.length;
      for (let i = 0; i < each; i += 1) this.chart.setSeries(1 + index * each + i, { show: shown });
    }

    // The values at the cursor, or the last ones.
    read() {
      if (!this.chart || !this.cells) return;
      const { data, cursor } = this.chart;
      const at = cursor.idx ?? data[0].length - 1;
      const each = (data.length - 1) / this.cells.length;
      this.cells.forEach((cell, index) => {
        const line = data[(index + 1) * each] || [];
        let place = at;
        while (place > 0 && line[place] === undefined) place -= 1;
        cell.textContent = brief(line[place]);
      });
      if (this.legend.caption) this.legend.caption.textContent = this.where(cursor.idx);
    }

    where(index) {
      if (index === null || index === undefined) return "last values";
      const x = this.chart.data[0][index];
      if (this.axis() === "step") return `step ${x.toLocaleString("en")}`;
      return this.axis() === "time" ? new Date(x * 1000).toISOString().replace("T", " ").slice(0, 19) : `after ${span(x)}`;
    }
  }
  customElements.define("loop-curves", LoopCurves);

  // How all curves of the page are looked at, and the address that says so.
  function look(changes) {
    const address = new URL(location.href);
    for (const [name, value] of Object.entries(changes)) {
      const off = value === null || value === "" || value === "0" || value === false;
      if (off) address.searchParams.delete(name);
      else address.searchParams.set(name, value);
      document.querySelectorAll("loop-curves").forEach((one) => (off ? one.removeAttribute(name) : one.setAttribute(name, value)));
    }
    history.replaceState(null, "", address);
    document.querySelectorAll("[data-all]").forEach((one) => (one.hidden = !address.searchParams.has("from")));
  }

  document.addEventListener("loop-zoom", (event) => look(event.detail));
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.closest("form[data-curves]") || !["x", "smooth", "log"].includes(field.name)) return;
    const value = field.type === "checkbox" ? (field.checked ? "1" : null) : field.value;
    look(field.name === "x" ? { x: value, from: null, to: null } : { [field.name]: value });
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-all]")) return;
    event.preventDefault();
    look({ from: null, to: null });
  });
})();
