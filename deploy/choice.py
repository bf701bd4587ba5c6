"""Docker or native: which of the two stacks a command is about."""

import os
from typing import Literal

from deploy import docker_stack
from deploy.native.errors import StackError
from deploy.native.layout import layout_from_environment
from deploy.native.stack import NativeStack

Kind = Literal["docker", "native"]


def chosen_stack(command: str) -> Kind:
    """STACK when it is set; else the one that is up; else Docker where an engine with Compose answers, else native.

    Raises StackError for a STACK that is neither, and for docker without an engine.
    """
    asked = os.environ.get("STACK", "").strip().lower()
    if asked == "native":
        return "native"
    if asked == "docker":
        docker_stack.require_engine()
        return "docker"
    if asked not in ("", "auto"):
        raise StackError(f"STACK={asked}: docker or native is needed")
    if NativeStack(layout_from_environment()).running():
        return "native"
    if not docker_stack.engine_answers():
        return "native"
    return "docker" if command == "up" or docker_stack.is_up() else "native"
