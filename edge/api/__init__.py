"""The web side: REST, server-sent events, metrics and dashboard.

FastAPI is loaded with `app` or `server`, not with this package.
"""
