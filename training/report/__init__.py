"""Reports: figures as tables, charts, Markdown and one HTML page with pictures."""
