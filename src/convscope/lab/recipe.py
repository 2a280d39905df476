"""Recipe of the verb that serves the lab. This module imports neither torch nor FastAPI."""

from typing import ClassVar, Literal

from pydantic import Field

from convscope.recipe import Device, Recipe

PORT = 7860
"""Port that is used where none is named."""


class LabRecipe(Recipe):
    """Where the lab listens, and where it keeps what is made in it."""

    verb: ClassVar[str] = "lab"

    folder: str = Field("runs", min_length=1, description="where trainings and results are kept")
    data: str = Field(
        "", description="folder of published sets, each in a folder of its name: mnist, cifar10, fsdd, ..."
    )
    device: Device = Field(
        "auto", description="where networks that are watched compute; jobs have a setting of their own"
    )
    host: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]{1,253}$",
        description="address or name to listen at; 0.0.0.0 lets other machines in, if they have the token",
    )
    name: list[str] = Field(
        default_factory=list,
        description="a name by which browsers on other machines address this one, for --host 0.0.0.0",
    )
    port: int = Field(PORT, ge=0, le=65_535, description="0 for any free one")
    browser: bool = Field(True, description="open the page in the browser")
    lang: Literal["auto", "en", "zh"] = Field(
        "auto", description="language of the page; auto follows the browser"
    )
