"""From events to messages: topics, CloudEvents, MQTT and discovery."""
