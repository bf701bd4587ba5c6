"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Commands of a drain, users that are there before it, seconds of load, questions of an RPC run.

    A per-message pipeline is as fast on 1,200 commands, which take it about ten seconds, as on 20,000, which would take
    it three minutes each time: hence fewer for the peers. No figure hangs on `rebuild`: three rounds do.
    """

    commands: int = 20_000
    peer_commands: int = 1_200
    large: int = 200_000
    few_users: int = 10_000
    many_users: int = 1_000_000
    load_seconds: float = 15.0
    serial: int = 4_000
    parallel: int = 10_000
    peer_serial: int = 500
    peer_parallel: int = 2_000
    rebuild_rounds: int = 3

    def smaller(self, factor: float) -> "Scale":
        """To try out whether everything works; its figures say nothing."""
        return Scale(
            commands=round(self.commands * factor),
            peer_commands=round(self.peer_commands * factor),
            large=round(self.large * factor),
            few_users=round(self.few_users * factor),
            many_users=round(self.many_users * factor),
            load_seconds=max(2.0, self.load_seconds * factor),
            serial=round(self.serial * factor),
            parallel=round(self.parallel * factor),
            peer_serial=round(self.peer_serial * factor),
            peer_parallel=round(self.peer_parallel * factor),
        )
