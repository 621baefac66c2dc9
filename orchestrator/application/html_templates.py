"""Templates of HTML pages: they escape every text, and show what controls a terminal or a browser in place of obeying it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from orchestrator.domain.printable import printable


def template_environment(
    package: str, folder: str = "", show: Callable[[str], str] = printable, *, lstrip_blocks: bool = True
) -> Environment:
    """Return the environment of a package's templates.

    Args:
        package: has the templates.
        folder: in the package; empty for the package itself.
        show: returns a plain text as it is shown. What a template marks as markup of ours is no plain text any more.
        lstrip_blocks: leave out the spaces before a block.
    """
    return Environment(
        loader=FunctionLoader(lambda name: files(package).joinpath(folder, name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: show(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=lstrip_blocks,
    )
