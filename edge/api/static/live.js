// The live view of one source: a minute of spectrogram, the level, and what it sounds like.

import { $, h } from "./dom.js";

const BANDS = 64;
const COLUMNS_PER_S = 8;
const SHOWN_LABELS = 8;
const DECAY = 0.9;
const STILL_AFTER_MS = 3000;
const SCALES = { full: { min: -90, max: 0, unit: "dBFS (A)" }, spl: { min: 20, max: 110, unit: "dB(A)" } };
const STOPS = [[5, 7, 13], [22, 32, 92], [110, 35, 120], [214, 72, 77], [250, 160, 60], [252, 250, 200]];

const PALETTE = Array.from({ length: 256 }, (_, value) => {
  const place = (value / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[below].map((colour, i) => Math.round(colour + (STOPS[below + 1][i] - colour) * (place - below)));
});

export class Live {
  #canvas = $("mel");
  #context = this.#canvas.getContext("2d", { willReadFrequently: true });
  #column = this.#context.createImageData(1, BANDS);
  #rows = [];
  #heard = new Map();
  #frames = 0;
  #lastFrame = 0;
  #why = "";
  calibrated = false;

  constructor() {
    this.clear("");
    setInterval(() => this.#checkStill(), 1000);
  }

  clear(name) {
    $("live-name").textContent = name;
    this.#context.fillStyle = "rgb(5 7 13)";
    this.#context.fillRect(0, 0, this.#canvas.width, BANDS);
    this.#heard.clear();
    this.#frames = 0;
    this.#lastFrame = 0;
    this.#level(null);
    this.#checkStill();
  }

  explain(why) {
    this.#why = why;
  }

  show(frame) {
    this.#lastFrame = Date.now();
    this.#frames += 1;
    $("still").hidden = true;
    if (frame.mel) this.#draw(frame.mel);
    this.#level(frame.laeq ?? null);
    this.#scores(frame.scores ?? {});
  }

  mark(onset) {
    const x = this.#canvas.width - 1 - Math.round(((Date.now() - Date.parse(onset)) / 1000) * COLUMNS_PER_S);
    this.#context.fillStyle = "rgb(120 220 255)";
    this.#context.fillRect(x, 0, 1, BANDS);
  }

  #draw(mel) {
    this.#context.drawImage(this.#canvas, -1, 0);
    for (let band = 0; band < BANDS; band += 1) {
      const [red, green, blue] = PALETTE[mel[band] & 255];
      this.#column.data.set([red, green, blue, 255], 4 * (BANDS - 1 - band));
    }
    this.#context.putImageData(this.#column, this.#canvas.width - 1, 0);
  }

  #level(value) {
    const { min, max, unit } = this.calibrated ? SCALES.spl : SCALES.full;
    const meter = $("level");
    const part = value === null ? 0 : Math.min(1, Math.max(0, (value - min) / (max - min)));
    meter.firstElementChild.style.clipPath = `inset(0 ${100 * (1 - part)}% 0 0)`;
    if (value !== null && this.#frames % COLUMNS_PER_S !== 1) return;
    $("level-text").textContent = value === null ? "–" : `${value.toFixed(0)} ${unit}`;
    meter.setAttribute("aria-valuemin", min);
    meter.setAttribute("aria-valuemax", max);
    meter.setAttribute("aria-valuenow", Math.round(value ?? min));
    meter.setAttribute("aria-valuetext", value === null ? "nothing heard" : `${value.toFixed(0)} ${unit}`);
  }

  #scores(scores) {
    for (const [label, score] of Object.entries(scores)) {
      this.#heard.set(label, Math.max(score, (this.#heard.get(label) ?? 0) * DECAY));
    }
    // The order changes once a second only, or nobody could read it.
    if (this.#frames % COLUMNS_PER_S === 1 || !this.#rows.length) this.#order();
    for (const row of this.#rows) {
      const score = scores[row.label] ?? 0;
      row.bar.style.transform = `scaleX(${score})`;
      row.figure.textContent = `${Math.round(100 * score)} %`;
    }
  }

  #order() {
    const best = [...this.#heard].sort((a, b) => b[1] - a[1]).slice(0, SHOWN_LABELS);
    while (this.#rows.length < best.length) this.#rows.push(row());
    this.#rows.length = best.length;
    best.forEach(([label], i) => {
      this.#rows[i].label = label;
      this.#rows[i].name.textContent = label;
    });
    $("scores").replaceChildren(...this.#rows.map((each) => each.item));
  }

  #checkStill() {
    const still = Date.now() - this.#lastFrame > STILL_AFTER_MS;
    $("still").hidden = !still;
    $("still").textContent = this.#why || "No sound is arriving.";
    if (still && this.#lastFrame) this.#level(null);
  }
}

function row() {
  const bar = h("div");
  const name = h("span");
  const figure = h("span");
  return { label: "", bar, name, figure, item: h("li", {}, name, h("div", { class: "bar", "aria-hidden": "true" }, bar), figure) };
}
