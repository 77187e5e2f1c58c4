// The only way text enters the page: as text. Nothing here, and nothing elsewhere, makes HTML of data.

export const $ = (id) => document.getElementById(id);

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Text with `code` in it.
export const prose = (text) => text.split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));

// A header's time is up to two seconds old; only when it differs by more does one of the clocks go wrong.
const SKEW_MS = 3000;

// What a route answers, and when that was by the node's clock, which need not be this machine's.
export async function ask(path, { method = "GET", json = null } = {}) {
  const headers = { Accept: "application/json", ...(json && { "Content-Type": "application/json" }) };
  const answer = await fetch(path, { method, headers, body: json && JSON.stringify(json) });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
  const skew = Date.parse(answer.headers.get("date")) - Date.now();
  return { body, at: Date.now() + (Math.abs(skew) > SKEW_MS ? skew : 0) };
}

export async function fetchJson(path) {
  return (await ask(path)).body;
}

// An EventSource gives up for good when it is refused once, and this page must not.
export function stream(path, name, onData, onState = () => {}) {
  let source = null;
  let timer = 0;
  let lastId = "";
  const open = () => {
    const query = lastId ? `${path.includes("?") ? "&" : "?"}last_event_id=${encodeURIComponent(lastId)}` : "";
    source = new EventSource(path + query);
    source.onopen = () => onState(true);
    source.onerror = () => {
      onState(false);
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, 3000);
    };
    source.addEventListener(name, (event) => {
      lastId = event.lastEventId || lastId;
      onData(JSON.parse(event.data));
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
