"""Write service/openapi.json, or check that it is up to date."""

from __future__ import annotations

import argparse
import sys

from service.openapi.document import PATH, text


def main() -> None:
    """Write the document; with `--check` only compare it, and exit with 1 if it differs."""
    arguments = argparse.ArgumentParser(prog="python -m service.openapi", description=__doc__)
    arguments.add_argument("--check", action="store_true", help="compare, and do not write")
    parsed = arguments.parse_args()
    generated = text()
    if not parsed.check:
        PATH.write_text(generated, encoding="utf-8")
    elif not PATH.exists() or PATH.read_text(encoding="utf-8") != generated:
        sys.exit(f"{PATH.name} is out of date; write it with: python -m service.openapi")


if __name__ == "__main__":
    main()
