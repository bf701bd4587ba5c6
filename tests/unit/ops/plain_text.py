import io

from rich.console import Console, RenderableType


def plain_text(renderable: RenderableType) -> str:
    """What a wide terminal without colours shows."""
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
