// What a text field offers while it is written: <input data-complete="ADDRESS"> asks ADDRESS for
// what may come next, and the arrow keys, Enter or the mouse take it. Without scripts it is a field.
"use strict";

{ // names of a script are names of all of them
  const PAUSE = 120; // ms without a key before we ask

  class Offer {
    constructor(input) {
      this.input = input;
      this.list = document.createElement("ul");
      this.list.id = input.id + "-offer";
      this.list.className = "offer";
      this.list.setAttribute("role", "listbox");
      this.list.setAttribute("aria-label", "May come next");
      this.list.hidden = true;
      document.body.append(this.list); // outside <main>, which is renewed
      const said = { role: "combobox", "aria-autocomplete": "list", "aria-controls": this.list.id,
        "aria-expanded": "false", autocomplete: "off" };
      for (const [name, value] of Object.entries(said)) input.setAttribute(name, value);
      input.addEventListener("input", () => this.askSoon());
      input.addEventListener("click", () => this.askSoon());
      input.addEventListener("keydown", (event) => this.key(event));
      input.addEventListener("blur", () => this.close());
      this.list.addEventListener("mousedown", (event) => {
        event.preventDefault(); // the field keeps the focus
        const item = event.target.closest("li");
        if (item) this.take(item);
      });
    }

    askSoon() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), PAUSE);
    }

    async ask() {
      const { input } = this;
      const text = input.value;
      // A cursor counts in UTF-16, the server in characters.
      const at = [...text.slice(0, input.selectionStart)].length;
      const query = new URLSearchParams({ filter: text, at });
      const experiment = input.form.elements.experiment;
      if (experiment && experiment.value) query.set("experiment", experiment.value);
      const answer = await fetch(`${input.dataset.complete}?${query}`).catch(() => null);
      if (!answer || !answer.ok || input.value !== text) return;
      if (document.activeElement === input) this.show(await answer.json());
    }

    show(found) {
      this.found = found;
      this.list.replaceChildren(...found.choices.map((choice, index) => {
        const item = document.createElement("li");
        item.id = `${this.list.id}-${index}`;
        item.textContent = choice;
        item.setAttribute("role", "option");
        return item;
      }));
      if (!found.choices.length) return this.close();
      const place = this.input.getBoundingClientRect();
      this.list.style.left = `${place.left + scrollX}px`;
      this.list.style.top = `${place.bottom + scrollY + 2}px`;
      this.list.style.maxWidth = `${innerWidth - place.left - 8}px`;
      this.list.hidden = false;
      this.input.setAttribute("aria-expanded", "true");
      this.mark(null);
    }

    close() {
      clearTimeout(this.timer);
      this.list.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
      this.mark(null);
    }

    mark(item) {
      if (this.marked) this.marked.removeAttribute("aria-selected");
      this.marked = item;
      if (!item) return this.input.removeAttribute("aria-activedescendant");
      item.setAttribute("aria-selected", "true");
      item.scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", item.id);
    }

    key(event) {
      const open = !this.list.hidden;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!open) return this.ask();
        const items = [...this.list.children];
        const step = event.key === "ArrowDown" ? 1 : -1;
        const here = this.marked ? items.indexOf(this.marked) + step : step > 0 ? 0 : -1;
        this.mark(items.at(here % items.length));
      } else if (open && this.marked && (event.key === "Enter" || event.key === "Tab")) {
        event.preventDefault();
        this.take(this.marked);
      } else if (open && event.key === "Escape") {
        event.preventDefault();
        this.close();
      }
    }

    take(item) {
      const signs = [...this.input.value];
      const before = signs.slice(0, this.found.start).join("") + item.textContent + " ";
      this.input.value = before + signs.slice(this.found.end).join("").trimStart();
      this.input.setSelectionRange(before.length, before.length);
      this.close();
      this.ask();
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("input[data-complete]").forEach((input) => new Offer(input));
    // One box that ticks all of its form.
    document.querySelectorAll("input[data-all]").forEach((box) => {
      box.hidden = false;
    });
  });
  document.addEventListener("change", (event) => {
    const box = event.target.closest("input[data-all]");
    if (!box) return;
    box.form.querySelectorAll(`input[name="${box.dataset.all}"]`).forEach((one) => {
      one.checked = box.checked;
    });
  });
}
