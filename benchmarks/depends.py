"""The code of successive halving, which figures of several rooms are made by."""

from __future__ import annotations

from typing import Final

HALVING: Final = ("commons.asha", "commons.ranking", "commons.rungs", "commons.standings")
