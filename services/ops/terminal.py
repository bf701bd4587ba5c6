"""What goes to a person or a program: results on stdout, all the rest on stderr."""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

UNFOLDED = 1000


def show(renderable: RenderableType, *, fold: bool = False) -> None:
    """A result for a person, on stdout. Lines are as long as they need to be, so that they can be searched and copied.

    With `fold` they are as wide as the terminal.
    """
    Console(highlight=False, width=None if fold else UNFOLDED).print(renderable, crop=False)


def show_json(document: Any) -> None:
    """A result for a program: one line of JSON on stdout, written at once."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def note(text: str, *, style: str = "dim") -> None:
    """A diagnostic, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style=style))
