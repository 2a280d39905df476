"""Networks that say where a strong player would move on a Go board, and who is ahead."""
