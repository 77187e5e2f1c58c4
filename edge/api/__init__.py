"""The web side: REST, server-sent events, metrics and the dashboard. Nothing is loaded until `app` or `server` is."""
