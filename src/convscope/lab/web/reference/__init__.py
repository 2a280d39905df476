"""The reference of the API, and programs that use it."""
