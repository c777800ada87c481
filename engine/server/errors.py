"""What a server tells a client went wrong: a short code for programs, a message for people."""

from __future__ import annotations

from engine.errors import ReverieError

CLOSE_CODES = {
    "protocol": 4400,
    "token": 4401,
    "unknown_world": 4404,
    "unknown_slot": 4405,
    "idle": 4408,
    "unknown_session": 4410,
    "expired": 4411,
    "too_large": 4413,
    "unsupported": 4415,
    "link": 4416,
    "internal": 4419,
    "bad_value": 4422,
    "full": 4423,
    "too_slow": 4424,
    "version": 4426,
    "memory": 4427,
    "rate": 4429,
}
"""Every code there is, and the WebSocket close code of a connection that ends with it."""


class ServerError(ReverieError):
    """An error that a client is told.

    code: one of CLOSE_CODES. fatal: whether the connection ends with it. id, do: of the CONTROL message it answers,
    None where it answers none.
    """

    def __init__(
        self, code: str, message: str, fatal: bool = False, *, id: int | None = None, do: str | None = None
    ) -> None:
        if code not in CLOSE_CODES:
            raise ValueError(f"ServerError: got the code {code!r}, expected one of {', '.join(CLOSE_CODES)}")
        super().__init__(message)
        self.code, self.message, self.fatal, self.id, self.do = code, message, fatal, id, do

    @property
    def close_code(self) -> int:
        """The WebSocket close code, 4400 to 4429, used where the error is fatal."""
        return CLOSE_CODES[self.code]
