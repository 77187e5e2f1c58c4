// Puts the page together: asks how the node is, and listens to its two streams while somebody looks.

import { $, fetchJson, stream } from "./dom.js";
import { Away } from "./away.js";
import { Events } from "./events.js";
import { Live } from "./live.js";
import { isPattern } from "./patterns.js";
import { Sources } from "./sources.js";

const POLL_MS = 2000;
const live = new Live();
const events = new Events();
const away = new Away();
const sources = new Sources((name) => {
  live.clear(name);
  listen();
});
let closeLive = () => {};
let described = false;
let streaming = false;
let trouble = "";

function listen() {
  closeLive();
  closeLive = () => {};
  if (document.hidden || !sources.chosen) return;
  closeLive = stream(`live/stream?source=${encodeURIComponent(sources.chosen)}`, "live", (frame) => live.show(frame));
}

function link() {
  const words = trouble || (streaming ? "" : "No connection, trying again");
  $("link").dataset.state = words ? "offline" : "online";
  $("link").textContent = words || "Connected";
}

async function describe() {
  const [config, models] = await Promise.all([fetchJson("config"), fetchJson("models")]);
  $("node").textContent = config.node?.id ?? location.hostname;
  $("model").textContent = `Model ${models.active.id} ${models.active.version} on ${models.active.provider}`;
  live.calibrated = (config.level?.calibration_offset_db ?? null) !== null;
  events.offer(models.active.labels ?? []);
  events.offer(patternsOf(config));
  await events.load();
  described = true;
}

function patternsOf({ claps, away: mode }) {
  const named = Object.entries(claps?.patterns ?? {}).filter(([, pattern]) => claps.enabled && pattern.enabled);
  return [...named.map(([name]) => name), ...(mode?.enabled ? ["sound"] : [])];
}

async function readiness() {
  try {
    await fetchJson("readyz");
    $("ready").hidden = true;
  } catch (problem) {
    if (problem.status !== 503) throw problem;
    $("ready").hidden = false;
    $("ready").dataset.state = "offline";
    $("ready").textContent = problem.message;
  }
}

async function broker() {
  const mqtt = await fetchJson("mqtt");
  const waiting = mqtt.waiting ? `, ${mqtt.waiting} messages wait` : "";
  $("broker").hidden = !mqtt.enabled || mqtt.connected;
  $("broker").textContent = `No MQTT broker at ${mqtt.broker}${waiting}`;
}

// What was true before the connection was lost may not be so now.
function lose() {
  sources.lose();
  away.lose();
  events.lose();
  $("ready").hidden = $("broker").hidden = true;
}

async function poll() {
  if (document.hidden) return;
  try {
    if (!described) await describe();
    const { items } = await fetchJson("sources");
    sources.show(items);
    live.explain(items.find((item) => item.name === sources.chosen)?.detail ?? "");
    await away.follow();
    live.mode = away.state;
    await Promise.all([readiness(), broker()]);
    events.found();
    trouble = "";
  } catch (problem) {
    trouble = problem.status === 401 ? "Signed out: load the page again" : "No connection, trying again";
    lose();
  }
  link();
}

function connected(yes) {
  streaming = yes;
  link();
  if (!yes || !described) return;
  events.forget();
  void events.load();
}

stream("events/stream", "event", (message) => {
  events.take(message);
  const begins = message.data.phase === "start" || isPattern(message.data);
  if (begins && message.data.source_name === sources.chosen) live.mark(message.data.onset_time);
}, connected);
document.addEventListener("visibilitychange", () => {
  listen();
  void poll();
});
setInterval(poll, POLL_MS);
void poll();
