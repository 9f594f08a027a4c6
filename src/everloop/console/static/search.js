// Ctrl-K or / asks for anything by its name, from any page. Without it the link leads to /search.
"use strict";

const SEEK_PAUSE = 120; // ms without a key before it asks
const seek = { timer: null, asked: 0, chosen: -1 };

document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.getElementById("seek");
  const [field, found, said] = dialog.children;
  const options = () => [...found.querySelectorAll("[role=option]")];

  function open() {
    if (dialog.open) return;
    dialog.showModal();
    field.select();
    field.focus();
  }

  function choose(index) {
    const all = options();
    seek.chosen = all.length ? (index + all.length) % all.length : -1;
    all.forEach((one, i) => one.setAttribute("aria-selected", String(i === seek.chosen)));
    const one = all[seek.chosen];
    if (one) one.scrollIntoView({ block: "nearest" });
    if (one) field.setAttribute("aria-activedescendant", one.id);
    else field.removeAttribute("aria-activedescendant");
  }

  function element(name, words, more) {
    const made = document.createElement(name);
    Object.assign(made, more || {});
    made.textContent = words;
    return made;
  }

  function show(answer) {
    found.replaceChildren();
    let number = 0;
    for (const group of answer.groups) {
      const box = element("div", "");
      box.setAttribute("role", "group");
      const title = element("h2", group.kind, { id: `seek-${group.kind}` });
      box.setAttribute("aria-labelledby", title.id);
      box.append(title);
      for (const hit of group.hits) {
        const one = element(hit.page ? "a" : "code", "", { id: `seek-${number++}` });
        one.setAttribute("role", "option");
        one.tabIndex = -1;
        if (hit.page) one.href = hit.page;
        one.append(element("bdi", hit.name), element("span", hit.said, { className: "soft" }));
        box.append(one);
      }
      found.append(box);
    }
    field.setAttribute("aria-expanded", String(number > 0));
    said.textContent = number ? `${number} found; Enter opens one` : answer.text ? "Nothing is called so." : "";
    choose(0);
  }

  async function ask() {
    const turn = ++seek.asked;
    try {
      const answer = await fetch(`/search.json?q=${encodeURIComponent(field.value)}`, { headers: { accept: "application/json" } });
      const body = await answer.json();
      if (turn !== seek.asked) return; // a later one is under way
      if (answer.ok) show(body);
      else said.textContent = body.error.message;
    } catch {
      if (turn === seek.asked) said.textContent = "The server does not answer.";
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(seek.timer);
    seek.timer = setTimeout(ask, SEEK_PAUSE);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(seek.chosen + (event.key === "ArrowDown" ? 1 : -1));
    else if (event.key === "Enter") {
      const one = options()[seek.chosen];
      if (one && one.href) location.assign(one.href);
      else if (!one && field.value.trim()) location.assign(`/search?q=${encodeURIComponent(field.value)}`);
    } else return;
    event.preventDefault();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.querySelector("a.seek").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input, textarea, select, [contenteditable]");
    const asks = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey && !event.altKey);
    if (!asks) return;
    event.preventDefault();
    open();
  });
});

// A menu of the header closes when something else is clicked, and by Escape.
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
