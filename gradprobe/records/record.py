"""The base of everything that is stored as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen model. Fields that a later version added are ignored, so that older versions still read it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
