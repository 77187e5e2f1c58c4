"""The routes for programs."""

ROUTES = {
    "/away", "/classify", "/events", "/events/{event_id}", "/events/{event_id}/clip", "/events/stream", "/live/stream",
    "/sources", "/models", "/mqtt", "/config", "/schema/event.json", "/livez", "/readyz", "/metrics",
}  # fmt: skip
