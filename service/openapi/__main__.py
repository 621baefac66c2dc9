"""Writes service/openapi.json, or says whether it is up to date."""

from __future__ import annotations

import argparse
import sys

from service.openapi.document import PATH, text


def main() -> None:
    """Write the document; with `--check` only compare it, and end with 1 where it differs."""
    arguments = argparse.ArgumentParser(prog="python -m service.openapi", description=__doc__)
    arguments.add_argument("--check", action="store_true", help="compare, and write nothing")
    given = arguments.parse_args()
    generated = text()
    if not given.check:
        PATH.write_text(generated, encoding="utf-8")
    elif not PATH.exists() or PATH.read_text(encoding="utf-8") != generated:
        sys.exit(f"{PATH.name} is not what the routes and models say; write it with: python -m service.openapi")


if __name__ == "__main__":
    main()
