// The sources: how each is and why; choosing one makes it the one that is shown live.

import { $, h } from "./dom.js";

const PROBLEMS = [
  ["overflows", (n) => `${n} overflows`],
  ["gap_s", (s) => `${s.toFixed(1)} s lost`],
];

export class Sources {
  #cards = new Map();
  #onChoice;
  #shown = null;
  chosen = decodeURIComponent(location.hash.slice(1));

  constructor(onChoice) {
    this.#onChoice = onChoice;
    $("sources").addEventListener("change", (event) => this.#choose(event.target.value));
  }

  show(items) {
    for (const item of items) {
      if (!this.#cards.has(item.name)) this.#add(item.name);
      this.#update(this.#cards.get(item.name), item);
    }
    for (const [name, card] of this.#cards) {
      if (!items.some((item) => item.name === name)) {
        card.label.remove();
        this.#cards.delete(name);
      }
    }
    if (this.#shown === this.chosen && this.#cards.has(this.chosen)) return;
    if (items.length) this.#choose(this.#cards.has(this.chosen) ? this.chosen : items[0].name);
  }

  lose() {
    for (const { badge } of this.#cards.values()) {
      badge.dataset.state = "unknown";
      badge.textContent = "unknown";
    }
  }

  #choose(name) {
    this.chosen = this.#shown = name;
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    this.#cards.get(name).input.checked = true;
    this.#onChoice(name);
  }

  #add(name) {
    const input = h("input", { type: "radio", name: "source", value: name });
    const badge = h("span", { class: "badge" });
    const what = h("span", { class: "what" });
    const label = h("label", {}, input, h("strong", {}, name), badge, what);
    input.checked = name === this.chosen;
    $("sources").append(label);
    this.#cards.set(name, { label, input, badge, what });
  }

  #update(card, item) {
    card.badge.dataset.state = item.state;
    card.badge.textContent = item.state;
    const faults = PROBLEMS.filter(([key]) => item[key] > 0).map(([key, words]) => words(item[key]));
    const rate = item.rate_hz ? `${item.rate_hz / 1000} kHz` : "";
    const place = item.detail || [item.device || item.spec, rate].filter(Boolean).join(", ");
    card.what.textContent = [place, ...faults].filter(Boolean).join(" · ");
  }
}
