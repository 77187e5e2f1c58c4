// The away mode: whether it is on and listens, and the switch for it. Others may switch it too, so it is asked for.

import { $, ask } from "./dom.js";

const NOTES = {
  off: "Switch it on to have any sound reported.",
  arming: "",
  listening: "Any sound that stands out of the background is reported.",
  "quiet hours": "Nothing is reported at this time of day.",
};

function stateOf(mode) {
  if (mode.state !== "ON") return "off";
  if (mode.arming_until) return "arming";
  return mode.quiet ? "quiet hours" : "listening";
}

export class Away {
  state = "off";
  #until = null;
  #readyAt = 0;
  #turn = 0;
  #moving = 0;

  constructor() {
    $("away-switch").addEventListener("change", (event) => this.#set(event.target.checked));
    setInterval(() => this.#count(), 1000);
  }

  async follow() {
    const turn = this.#turn;
    const answer = await ask("away");
    // What was asked before or while the switch was moved is no longer so.
    if (turn === this.#turn && !this.#moving) this.#show(answer);
  }

  lose() {
    $("away-state").dataset.state = "unknown";
    $("away-state").textContent = "unknown";
    $("away-note").textContent = "";
    this.#until = null;
  }

  async #set(on) {
    const turn = (this.#turn += 1);
    this.#moving += 1;
    $("away-problem").hidden = true;
    try {
      const answer = await ask("away", { method: "PUT", json: { state: on ? "ON" : "OFF" } });
      if (turn === this.#turn) this.#show(answer);
    } catch (problem) {
      if (turn !== this.#turn) return;
      $("away-switch").checked = !on;
      $("away-problem").textContent = `Not switched: ${problem.status ? problem.message : "no connection"}`;
      $("away-problem").hidden = false;
    } finally {
      this.#moving -= 1;
    }
  }

  #show({ body: mode, at }) {
    const state = (this.state = mode.enabled ? stateOf(mode) : "off");
    $("away").hidden = !mode.enabled;
    $("away-switch").checked = mode.state === "ON";
    $("away-state").dataset.state = state;
    // Only what changes is written, or a screen reader would say it again and again.
    if ($("away-state").textContent !== state) $("away-state").textContent = state;
    if (mode.arming_until !== this.#until) {
      this.#until = mode.arming_until;
      this.#readyAt = performance.now() + Date.parse(mode.arming_until) - at;
    }
    if (this.#until) this.#count();
    else $("away-note").textContent = NOTES[state];
  }

  #count() {
    if (!this.#until) return;
    const left_s = Math.max(0, Math.ceil((this.#readyAt - performance.now()) / 1000));
    $("away-note").textContent = `It listens in ${left_s} s.`;
  }
}
