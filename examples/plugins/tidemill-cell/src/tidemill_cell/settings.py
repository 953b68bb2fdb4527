"""What a `.tide` file may say behind `executor cell` and `notify cell`.

The models are what the language checks, completes and documents: names, types, defaults and
descriptions.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tidemill.spi import Template


class CellSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    network: bool = Field(default=True, description="Whether the step reaches the network.")


class CellNotifySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="The file to which the line is appended.", min_length=1)
    line: Annotated[str, Template()] = Field(
        default="{{ run.pipeline }} #{{ run.number }}: {{ event.kind }}",
        description="What is appended.",
    )
