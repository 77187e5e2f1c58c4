// The live view of one source: a minute of spectrogram, the level, and what it sounds like.

import { $, h } from "./dom.js";
import { decibels } from "./figures.js";

const BANDS = 64;
const COLUMNS_PER_S = 8;
const SHOWN_LABELS = 8;
const FRAMES_PER_LOOK = 4;
const STILL_AFTER_MS = 3000;
const SCALES = { full: { min: -90, max: 0 }, spl: { min: 20, max: 110 } };
const NOT_NOW = { arming: " Not yet: the mode is still arming.", "quiet hours": " Not now: these are quiet hours." };
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
  mode = "off";

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
    this.#away(null);
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
    this.#away(this.mode === "off" ? null : (frame.away ?? null));
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

  #part(value) {
    const { min, max } = this.#scale;
    return Math.min(1, Math.max(0, (value - min) / (max - min)));
  }

  get #scale() {
    return this.calibrated ? SCALES.spl : SCALES.full;
  }

  #level(value) {
    const { min, max } = this.#scale;
    const meter = $("level");
    meter.firstElementChild.style.clipPath = `inset(0 ${100 * (1 - (value === null ? 0 : this.#part(value)))}% 0 0)`;
    if (value !== null && this.#frames % COLUMNS_PER_S !== 1) return;
    const words = value === null ? "" : decibels(value, this.calibrated);
    $("level-text").textContent = words || "–";
    meter.setAttribute("aria-valuemin", min);
    meter.setAttribute("aria-valuemax", max);
    meter.setAttribute("aria-valuenow", Math.round(value ?? min));
    meter.setAttribute("aria-valuetext", words || "nothing heard");
  }

  // What the away mode takes for background, and from where on it reports a sound.
  #away(levels) {
    for (const name of ["background", "threshold"]) {
      $(name).hidden = !levels;
      if (levels) $(name).style.left = `${100 * this.#part(levels[name])}%`;
    }
    $("level-note").hidden = !levels;
    if (!levels || this.#frames % COLUMNS_PER_S !== 1) return;
    const [background, threshold] = [levels.background, levels.threshold].map((each) => decibels(each, this.calibrated));
    const why = levels.restless ? " It is restless here, so a sound has to be louder than it would in a calm place." : "";
    $("level-note").textContent = `Away mode: background ${background}, a sound counts from ${threshold}.${why}${NOT_NOW[this.mode] ?? ""}`;
  }

  // Order and figures change twice a second only, together, or nobody could read them.
  #scores(scores) {
    for (const [label, score] of Object.entries(scores)) {
      this.#heard.set(label, Math.max(score, this.#heard.get(label) ?? 0));
    }
    if (this.#frames % FRAMES_PER_LOOK === 1 || !this.#rows.length) this.#order();
  }

  #order() {
    const best = [...this.#heard].sort((a, b) => b[1] - a[1]).slice(0, SHOWN_LABELS);
    this.#heard.clear();
    while (this.#rows.length < best.length) this.#rows.push(row());
    this.#rows.length = best.length;
    best.forEach(([label, score], i) => {
      const { name, bar, figure } = this.#rows[i];
      name.textContent = label;
      bar.style.transform = `scaleX(${score})`;
      figure.textContent = `${Math.round(100 * score)} %`;
    });
    $("scores").replaceChildren(...this.#rows.map((each) => each.item));
  }

  #checkStill() {
    const still = Date.now() - this.#lastFrame > STILL_AFTER_MS;
    $("still").hidden = !still;
    $("still").textContent = this.#why || "No sound is arriving.";
    if (!still || !this.#lastFrame) return;
    this.#level(null);
    this.#away(null);
  }
}

function row() {
  const bar = h("div");
  const name = h("span");
  const figure = h("span");
  return { bar, name, figure, item: h("li", {}, name, h("div", { class: "bar", "aria-hidden": "true" }, bar), figure) };
}
