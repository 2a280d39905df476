"""A slow Go board of sets of points, where every chain is found anew by flooding."""

from collections.abc import Iterator

Point = tuple[int, int]


class SlowBoard:
    """Stones in a dict; simple ko; suicide as the rule says."""

    def __init__(self, size: int, suicide: bool = False) -> None:
        self.size, self.suicide = size, suicide
        self.stones: dict[Point, int] = {}
        self.prisoners = {1: 0, 2: 0}
        self.ko: tuple[Point, int] | None = None

    def beside(self, point: Point) -> Iterator[Point]:
        for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
            y, x = point[0] + dy, point[1] + dx
            if 0 <= y < self.size and 0 <= x < self.size:
                yield y, x

    def chain(self, point: Point) -> set[Point]:
        found, wave = {point}, [point]
        while wave:
            for near in self.beside(wave.pop()):
                if near not in found and self.stones.get(near) == self.stones[point]:
                    found.add(near)
                    wave.append(near)
        return found

    def liberties(self, point: Point) -> set[Point]:
        return {near for stone in self.chain(point) for near in self.beside(stone) if near not in self.stones}

    def after(self, point: Point, colour: int) -> "SlowBoard | None":
        """Return the board after a move; None where it is illegal."""
        if point in self.stones or self.ko == (point, colour):
            return None
        board = SlowBoard(self.size, self.suicide)
        board.stones, board.prisoners = {**self.stones, point: colour}, {**self.prisoners}
        taken: set[Point] = set()
        for near in board.beside(point):
            if board.stones.get(near) == 3 - colour and not board.liberties(near):
                taken |= board.chain(near)
        for stone in taken:
            del board.stones[stone]
        board.prisoners[colour] += len(taken)
        own = board.chain(point)
        if not board.liberties(point):
            if not self.suicide or len(own) == 1:
                return None
            for stone in own:
                del board.stones[stone]
            board.prisoners[3 - colour] += len(own)
        elif len(taken) == 1 and len(own) == 1 and len(board.liberties(point)) == 1:
            board.ko = (*taken, 3 - colour)
        return board

    def legal(self, colour: int) -> set[Point]:
        points = ((y, x) for y in range(self.size) for x in range(self.size))
        return {point for point in points if self.after(point, colour) is not None}

    def position(self) -> frozenset[tuple[Point, int]]:
        return frozenset(self.stones.items())
