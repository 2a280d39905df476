"""The rules of Go, compiled: boards as flat arrays, moves, liberties, ladders, scores."""
