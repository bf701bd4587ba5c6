"""The lines of `make env`, which the command line finds in the stack's folder."""

import sys
from pathlib import Path

from deploy.native.client_env import write_env
from deploy.native.layout import Layout


def test_the_lines_are_written_also_where_no_make_up_has_made_the_folder(tmp_path: Path) -> None:
    state = tmp_path / "clone" / ".native"
    layout = Layout(state=state, port_base=17000, downloads=tmp_path, python=Path(sys.executable))

    lines = write_env(layout, {"CQRS_AMQP_URL": "amqp://client:pw@127.0.0.1:17000/cqrs"})

    assert lines == "export CQRS_AMQP_URL='amqp://client:pw@127.0.0.1:17000/cqrs'\n"
    assert (state / "env").read_text() == lines
    assert (state / "env").stat().st_mode & 0o777 == 0o600
