"""What goes to a person or a program: results on stdout, all the rest on stderr."""

import json
import sys
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text


def show(renderable: RenderableType) -> None:
    """A result for a person, on stdout."""
    Console(highlight=False).print(renderable)


def show_json(document: Any) -> None:
    """A result for a program: one line of JSON on stdout, written at once."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def note(text: str, *, style: str = "dim") -> None:
    """A diagnostic, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style=style))
