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

export async function fetchJson(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
  return body;
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
