"""The proof of a network: figures counted on what it never heard, as JSON, as Markdown and as one HTML page."""
