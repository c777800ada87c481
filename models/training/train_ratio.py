"""How many updates an agent's real steps pay for."""

from __future__ import annotations


class TrainRatio:
    """Updates per real step, spread evenly (spec section 10).

    The first call pays for one update; later ones for the steps since, the remainder kept for the next call.
    """

    def __init__(self, ratio: float) -> None:
        if ratio < 0:
            raise ValueError(f"train ratio: got {ratio}, expected at least 0 updates per step")
        self.ratio = ratio
        self.paid: float | None = None
        """Step up to which updates are done; None before the first call."""

    def __call__(self, step: int) -> int:
        """Updates due at real step ``step``, which counts the steps of all environments."""
        if self.ratio == 0:
            return 0
        if self.paid is None:
            self.paid = float(step)
            return 1
        updates = int((step - self.paid) * self.ratio)
        self.paid += updates / self.ratio
        return updates

    def state(self) -> dict[str, float | None]:
        """JSON values for ``restore``."""
        return {"paid": self.paid}

    def restore(self, state: dict[str, float | None]) -> None:
        self.paid = state["paid"]
