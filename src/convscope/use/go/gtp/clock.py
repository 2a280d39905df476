"""How long a move may take: the clocks of both sides, as GTP tells and as they run."""

from dataclasses import dataclass, field

MARGIN = 0.9
"""Share of the allotted time that is used: an engine's own measure leaves out what its controller adds."""
FEWEST_MOVES = 12
"""Moves of its own that a player must still have time for, however full the board."""
OWN_SHARE = 1 / 3
"""Share of the empty points that are own moves still to come."""


@dataclass(frozen=True)
class TimeControl:
    """The time of each side.

    Attributes:
        main: seconds before overtime; None for no limit.
        overtime: seconds of a period; 0 for none: who has used up `main` has lost.
        stones: moves in each period.
        periods: whether `time_left` counts periods of one move each (Japanese), not moves (Canadian).
    """

    main: float | None = None
    overtime: float = 0.0
    stones: int = 0
    periods: bool = False


@dataclass
class _Left:
    """What one side has left: seconds, and moves to make in them; 0 moves in the main time."""

    seconds: float
    stones: int = 0


@dataclass
class Clock:
    """The clocks of both sides.

    Attributes:
        control: the time of each side.
    """

    control: TimeControl = TimeControl()
    _left: dict[int, _Left] = field(default_factory=dict)

    def begin(self, control: TimeControl | None = None) -> None:
        """Set both clocks to the beginning.

        Args:
            control: the time of each side; as before if left out.
        """
        self.control = control or self.control
        self._left = {}

    def tell(self, colour: int, seconds: float, stones: int) -> None:
        """Set a clock to what the controller says.

        Args:
            colour: whose.
            seconds: time left in the main time, or in the period.
            stones: moves left in the period; 0 in the main time.
        """
        self._left[colour] = _Left(seconds, 1 if stones and self.control.periods else stones)

    def spend(self, colour: int, seconds: float) -> None:
        """Run a clock for one move.

        Args:
            colour: whose.
            seconds: what the move took.
        """
        control, left = self.control, self._now(colour)
        if control.main is None:
            return
        left.seconds -= seconds
        if left.stones:
            left.stones -= 1
        elif left.seconds > 0:
            return
        if control.overtime and not left.stones:  # a new period
            self._left[colour] = _Left(control.overtime, control.stones)

    def seconds(self, colour: int, empty: int) -> float | None:
        """Return how long the next move may take.

        Args:
            colour: whose move it is.
            empty: empty points of the board.

        Returns:
            Seconds, at least 0; None without a limit.
        """
        control = self.control
        if control.main is None and colour not in self._left:
            return None
        left = self._now(colour)
        if left.stones:
            return max(0.0, MARGIN * left.seconds / left.stones)
        shared = left.seconds / max(FEWEST_MOVES, OWN_SHARE * empty)
        period = control.overtime / control.stones if control.overtime and control.stones else 0.0
        return max(0.0, MARGIN * max(shared, min(period, left.seconds + period)))

    def _now(self, colour: int) -> _Left:
        """Return the clock of a side; one that begins in overtime where there is no main time."""
        control = self.control
        begins = _Left(control.main or 0.0) if control.main else _Left(control.overtime, control.stones)
        return self._left.setdefault(colour, begins)
