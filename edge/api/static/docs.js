// The documentation of the API, drawn from openapi.json.

import { $, fetchJson, h, prose } from "./dom.js";

const only = (kinds) => [...new Set(kinds)].filter((each) => each && each !== "null").join(" or ");
const kind = (schema = {}) => (schema.type ? only([schema.type].flat()) : only((schema.anyOf ?? []).map(kind)));

function parameter({ name, in: where, schema, description = "" }) {
  const words = [kind(schema), where, description].filter(Boolean).join(", ");
  return h("li", {}, h("code", {}, name), " ", ...prose(words));
}

function list(title, items) {
  return items.length ? h("div", {}, h("h3", {}, title), h("ul", {}, ...items)) : null;
}

function operation(method, path, { description = "", parameters = [], requestBody, responses }) {
  const bodies = Object.keys(requestBody?.content ?? {}).map((type) => h("li", {}, h("code", {}, type)));
  const answers = Object.entries(responses).map(([status, answer]) => {
    const types = Object.keys(answer.content ?? {}).join(", ");
    return h("li", {}, h("code", {}, status), " ", ...prose(answer.description), ` ${types}`);
  });
  const head = h("summary", {}, h("b", {}, method.toUpperCase()), h("code", {}, path), ` ${description.split("\n")[0].replaceAll("`", "")}`);
  return h("details", {}, head, list("Parameters", parameters.map(parameter)), list("Body", bodies), list("Answers", answers));
}

const schema = await fetchJson("openapi.json");
$("version").textContent = schema.info.version;
$("about").append(...prose(schema.info.description));
const groups = new Map();
for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, details] of Object.entries(methods)) {
    const tag = details.tags?.[0] ?? "";
    groups.set(tag, [...(groups.get(tag) ?? []), operation(method, path, details)]);
  }
}
for (const [tag, operations] of groups) $("routes").append(h("section", {}, h("h2", {}, tag), ...operations));
