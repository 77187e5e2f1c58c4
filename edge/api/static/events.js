// The events: what goes on now, and the history with a row an event, whichever way its messages came.

import { $, fetchJson, h } from "./dom.js";
import { decibels, seconds } from "./figures.js";
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

  // Without a connection nobody knows what goes on.
  lose() {
    this.forget();
    $("calm").textContent = "Not known without a connection.";
  }

  found() {
    $("calm").textContent = "No event at this moment.";
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
    const page = await fetchJson(`events?${query}`);
    if (turn !== this.#loading) return;
    this.#cursor = page.next_cursor;
    for (const item of page.items) {
      const event = details(item);
      this.offer([event.label]);
      if (!this.#rows.has(event.event_id)) this.#place(this.#row(event), { isNew: false });
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
      this.#place(row, { isNew: true });
      $("news").textContent = `${what(event).filter(Boolean).join(", ")} at ${event.source_name}`;
    }
    this.#count();
  }

  // By the time that it began: a long sound that is reported late may have begun before a short one. Of two that
  // began together the later message goes first, as in the history, which comes newest first.
  #place(row, { isNew }) {
    const lead = Number(row.dataset.onset) + (isNew ? 0.5 : -0.5);
    const next = [...$("history").rows].find((each) => Number(each.dataset.onset) < lead);
    if (next) next.before(row);
    else $("history").append(row);
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
    const length = lasted ? seconds(event.duration_s) : "–";
    const [name, rhythm] = what(event);
    const score = event.peak_score ?? event.score;
    const row = h(
      "tr",
      { "data-ongoing": !event.ended, "data-onset": Date.parse(event.onset) },
      h("td", {}, moment(event.onset)),
      h("td", {}, h("span", { class: "what" }, name), rhythm && h("span", { class: "quiet rhythm" }, ` ${rhythm}`), h("span", { class: "quiet narrow" }, event.source_name)),
      h("td", { class: "wide" }, event.source_name),
      h("td", {}, Number.isFinite(score) ? `${Math.round(100 * score)} %` : "–"),
      h("td", { class: "wide" }, Number.isFinite(event.lafmax) ? decibels(event.lafmax, event.calibrated) : "–"),
      h("td", { class: "roomy" }, length),
      h("td", { class: "play" }, event.clip && event.ended ? player(event) : null),
    );
    this.#rows.set(event.event_id, row);
    return row;
  }

  #count() {
    $("empty").hidden = this.#rows.size > 0;
    $("empty").textContent = this.#label ? `No ${nameOf(this.#label)} in the history.` : "Nothing in the history yet.";
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

// The sound gets a row of its own below the event's, as wide as the table: on a phone there is room nowhere else.
function player(event) {
  const name = `Play the recording of ${nameOf(event.label)}`;
  const button = h("button", { type: "button", "aria-label": name }, "▶\uFE0E", h("span", { class: "wide" }, " Play"));
  button.addEventListener("click", () => {
    const row = button.closest("tr");
    const audio = h("audio", { controls: true, autoplay: true, src: `events/${encodeURIComponent(event.event_id)}/clip` });
    row.after(h("tr", { class: "sound", "data-onset": row.dataset.onset }, h("td", { colspan: row.cells.length }, audio)));
    audio.focus();
    button.remove();
  });
  return button;
}
