"""The web process: HTTP and WebSocket over what the workers and the rooms below answer. No torch."""
