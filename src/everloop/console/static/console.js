// What every page does beyond being a page: it looks again when something has changed, and lets
// the keyboard in. Pages work without it.
"use strict";

const WAIT = 1000; // ms between two looks of a page, at least

// A page that is open listens for changes. A hidden one lets its connection go, since a browser
// has only six for a server.
const live = { source: null, due: 0, timer: null };

function listen() {
  const part = document.querySelector("[data-live]"); // says when it was made
  if (live.source || document.hidden || !part) return;
  live.source = new EventSource(`/changes?since=${part.dataset.live}`);
  live.source.addEventListener("changed", lookSoon);
  live.source.addEventListener("open", () => document.body.classList.remove("away"));
  live.source.addEventListener("error", () => document.body.classList.add("away"));
}

function letGo() {
  if (live.source) live.source.close();
  live.source = null;
}

function askAgain() {
  document.querySelectorAll("[data-live]").forEach((part) => htmx.trigger(part, "changed"));
}

function lookSoon() {
  if (live.timer) return;
  live.timer = setTimeout(() => {
    live.timer = null;
    live.due = Date.now() + WAIT;
    askAgain();
  }, Math.max(0, live.due - Date.now()));
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return letGo();
  listen();
  if (document.querySelector("[data-live]")) lookSoon(); // for what was missed
});
window.addEventListener("pagehide", letGo);
window.addEventListener("pageshow", listen);

// A look leaves alone what a person is at: fields, what was opened or closed, and our own elements,
// which draw themselves.
function keepAsItIs(old, fresh) {
  if (!(old instanceof Element)) return true;
  if (old.matches("input:not([type=hidden]), textarea, select, [data-kept]")) return false;
  if (old.localName.includes("-") && fresh instanceof Element) {
    for (const name of fresh.getAttributeNames()) {
      const value = fresh.getAttribute(name);
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    return false;
  }
  return true;
}

document.addEventListener("DOMContentLoaded", () => {
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeNodeMorphed: keepAsItIs,
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.matches("details, dialog")),
  });
  listen();
});

// A snippet is copied by its button.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  await navigator.clipboard.writeText(text.trim());
  const before = button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = before), 1500);
});
