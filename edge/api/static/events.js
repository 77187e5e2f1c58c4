// The events: what goes on now, and the history with a row an event, whichever way its messages came.

import { $, fetchJson, h } from "./dom.js";
import { isPattern, nameOf, rhythmOf } from "./patterns.js";

const PAGE = 30;
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

// A row of the history and a message of the stream carry the same figures.
function details(item) {
  const data = item.data ?? item;
  return { ...data, onset: data.onset_time ?? item.time, ended: data.phase === "end" || Boolean(data.end_time) };
}

export class Events {
  #rows = new Map();
  #ongoing = new Map();
  #cursor = null;
  #labels = new Set();
  #loading = 0;

  constructor() {
    $("older").addEventListener("click", () => this.#more());
    $("filter").addEventListener("change", () => this.load());
  }

  get #label() {
    return $("filter").value;
  }

  offer(labels) {
    for (const label of labels.filter((each) => !this.#labels.has(each))) {
      this.#labels.add(label);
      $("filter").append(h("option", { value: label }, nameOf(label)));
    }
  }

  forget() {
    this.#ongoing.clear();
    $("ongoing").replaceChildren();
  }

  async load() {
    this.#rows.clear();
    this.#cursor = null;
    $("history").replaceChildren();
    await this.#more();
  }

  async #more() {
    const query = new URLSearchParams({ limit: PAGE });
    if (this.#label) query.set("label", this.#label);
    if (this.#cursor) query.set("cursor", this.#cursor);
    const turn = (this.#loading += 1);
    const page = await fetchJson(`/events?${query}`);
    if (turn !== this.#loading) return;
    this.#cursor = page.next_cursor;
    for (const item of page.items) {
      const event = details(item);
      this.offer([event.label]);
      if (!this.#rows.has(event.event_id)) $("history").append(this.#row(event));
      if (!event.ended) this.#now(event);
    }
    $("older").hidden = !this.#cursor;
    this.#count();
  }

  take(message) {
    const event = details(message);
    this.offer([event.label]);
    this.#now(event);
    if (this.#label && this.#label !== event.label) return;
    const known = this.#rows.get(event.event_id);
    const row = this.#row(event);
    if (known) {
      known.replaceWith(row);
    } else {
      row.classList.add("fresh");
      $("history").prepend(row);
      $("news").textContent = `${what(event).filter(Boolean).join(", ")} at ${event.source_name}`;
    }
    this.#count();
  }

  #now(event) {
    this.#ongoing.get(event.event_id)?.remove();
    this.#ongoing.delete(event.event_id);
    if (event.ended) return;
    const chip = h("li", { "data-severity": event.severity }, `${event.label} · ${event.source_name}`);
    this.#ongoing.set(event.event_id, chip);
    $("ongoing").append(chip);
  }

  #row(event) {
    // A pattern has no length: it is over with its last clap, and a sound is reported as it begins.
    const lasted = event.ended && !isPattern(event) && Number.isFinite(event.duration_s);
    const length = lasted ? `${event.duration_s.toFixed(1)} s` : "–";
    const [name, rhythm] = what(event);
    const score = event.peak_score ?? event.score;
    const row = h(
      "tr",
      { "data-ongoing": !event.ended },
      h("td", {}, moment(event.onset)),
      h("td", {}, name, rhythm && h("span", { class: "quiet rhythm" }, ` ${rhythm}`)),
      h("td", {}, event.source_name),
      h("td", {}, Number.isFinite(score) ? `${Math.round(100 * score)} %` : "–"),
      h("td", { class: "wide" }, Number.isFinite(event.lafmax) ? `${event.lafmax.toFixed(0)} dB` : "–"),
      h("td", {}, length),
      h("td", { class: "wide" }, event.clip && event.ended ? player(event) : null),
    );
    this.#rows.set(event.event_id, row);
    return row;
  }

  #count() {
    $("empty").hidden = this.#rows.size > 0;
  }
}

// What it was, and what else is to be said of it.
function what(event) {
  return isPattern(event) ? [nameOf(event.label), rhythmOf(event)] : [event.label, null];
}

function moment(onset) {
  const at = new Date(onset);
  const day = DAY.format(at) === DAY.format(new Date()) ? null : h("span", { class: "quiet day" }, DAY.format(at));
  return h("time", { datetime: onset }, h("span", { class: "clock" }, TIME.format(at)), day);
}

function player(event) {
  const button = h("button", { type: "button", "aria-label": `Play the recording of ${event.label}` }, "Play");
  button.addEventListener("click", () => {
    const audio = h("audio", { controls: true, autoplay: true, src: `/events/${encodeURIComponent(event.event_id)}/clip` });
    button.replaceWith(audio);
  });
  return button;
}
