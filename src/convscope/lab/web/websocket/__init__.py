"""The WebSocket of a tab: what it may say, live maps, and events of jobs."""
