"""Two test runs that look for ports at the same moment get different ones, before either has started a server."""

import random
from contextlib import ExitStack

import pytest

from deploy.native.layout import BLOCK
from tests.support.stack import claim_block


def test_what_one_has_claimed_nobody_else_gets_until_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as ours, ExitStack() as theirs, ExitStack() as later:
        base = claim_block(ours)
        with ExitStack() as looking:
            next_base = claim_block(looking)
        wanted = iter([base, next_base, base])
        monkeypatch.setattr(random, "randrange", lambda *_: next(wanted))

        assert claim_block(theirs) == next_base
        ours.close()
        assert claim_block(later) == base
        assert abs(base - next_base) > BLOCK
