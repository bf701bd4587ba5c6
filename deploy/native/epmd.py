"""Erlang's port mapper, one for each stack, so that RabbitMQ doesn't start or share one that outlives it."""

import os
import shutil

from deploy.native.errors import StackError
from deploy.native.layout import Layout
from deploy.native.part import Part
from deploy.native.ports import accepts


def epmd(layout: Layout) -> Part:
    path = shutil.which("epmd")
    if path is None:
        raise StackError("epmd (Erlang's port mapper) is not on PATH: reinstall Erlang (package erlang-base)")
    return Part(
        name="epmd",
        title="Erlang port mapper",
        argv=[path, "-port", str(layout.epmd_port), "-address", "127.0.0.1"],
        env=os.environ,
        ports={layout.epmd_port: "Erlang port mapper"},
        not_ready=lambda: None if accepts(layout.epmd_port) else "it does not accept connections",
    )
