"""What patterns start: messages, web addresses, programs. Each action works on a thread of its own."""
