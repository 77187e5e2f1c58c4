"""Actions of patterns: MQTT messages, webhooks and commands, each on a thread of its own."""
