// The effective configuration, a section of the file a table.

import { $, fetchJson, h } from "./dom.js";

const NOTHING = "–";
const isTable = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isTables = (value) => Array.isArray(value) && value.some(isTable);

function words(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return NOTHING;
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function* rows(table, prefix = "") {
  for (const [key, value] of Object.entries(table)) {
    const name = `${prefix}${key}`;
    if (isTable(value) && Object.keys(value).length) yield* rows(value, `${name}.`);
    else yield [name, isTable(value) ? NOTHING : words(value)];
  }
}

function section(title, table) {
  const lines = [...rows(table)].map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, name.replaceAll(".", ".\u200b"))), h("td", value === NOTHING ? { class: "quiet" } : {}, value)));
  const body = lines.length ? h("table", {}, h("tbody", {}, ...lines)) : h("p", { class: "quiet" }, "Nothing is set.");
  return h("section", {}, h("h2", {}, title), body);
}

for (const [name, value] of Object.entries(await fetchJson("config"))) {
  const tables = isTables(value) ? value.map((each) => [`${name}: ${each.name}`, each]) : [[name, value]];
  $("sections").append(...tables.map(([title, table]) => section(title, table)));
}
