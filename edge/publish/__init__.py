"""Publishing of events: topics, CloudEvents, MQTT and discovery."""
