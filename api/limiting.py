"""How many requests one may make: the refusal of those beyond."""

from math import ceil

from domain.errors import Refused


class RateLimited(Refused):
    """Too much was asked for; after `retry_after_s` there is room again."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("rate.limited", retry_after=ceil(retry_after_s))
        self.retry_after_s = retry_after_s
