"""MongoDB as a process of this user: a replica set of one, with authentication."""

import os
import subprocess
from pathlib import Path

from deploy.native.errors import StackError
from deploy.native.layout import ROOT, Layout
from deploy.native.mongod_download import find_mongod
from deploy.native.part import Part
from deploy.native.ports import accepts

ADMIN = "admin"
REPLICA_SET = "rs0"
EVICTION = (
    "eviction=(threads_min=1,threads_max=1),eviction_dirty_target=50,eviction_dirty_trigger=70,"
    "eviction_updates_target=40,eviction_updates_trigger=60"
)
"""By default four threads write out what has changed as soon as that is 5 % of the cache: in bursts, in which writers
wait for tenths of a second where there are two cores. Read models change what they have written a moment ago; so later
is better (the next checkpoint writes it anyway), and by one thread. As in docker-compose.yml. How large the
cache is, is left to mongod: half of the memory.
"""
INDEX_PAGES = "memory_page_max=512KB"
"""A page of an index that has grown so large is written out in pieces, by whoever makes it grow. Left at 5 MB it takes
35,000 keys for each index of a young database, then a tenth of a second or more at once, and all indexes of `_id`s of
a model in the same one: of 2,000 commands/s those that came meanwhile became visible a quarter of a second late.
Updates take mongod about three quarters of the CPU.
"""
CHECKPOINT_SECONDS = 180
"""By default mongod writes out all that has changed once a minute, which takes 40 % of a core for seconds: of 2,000
commands/s those that came meanwhile were up to 900 ms late instead of 150. What has changed since is done again from
its log of operations after mongod was killed, in 0.1 ms a command: 30 s after 150 s of 2,000/s.
"""
START_TIMEOUT_SECONDS = 180.0
"""Long enough for that."""


def prepare_mongodb(layout: Layout) -> None:
    _data(layout).mkdir(mode=0o700, exist_ok=True)


def mongodb(layout: Layout) -> Part:
    mongod = find_mongod(layout.downloads)
    if mongod is None:
        raise StackError("there is no mongod: make up fetches one, or put MongoDB 6 or later on PATH")
    return Part(
        name="mongo",
        title="MongoDB",
        argv=[
            *(str(mongod), "--dbpath", str(_data(layout)), "--port", str(layout.mongo_port), "--bind_ip", "127.0.0.1"),
            *("--replSet", REPLICA_SET, "--keyFile", str(layout.secrets / "mongo_keyfile"), "--nounixsocket"),
            *("--wiredTigerIndexConfigString", INDEX_PAGES),
            *("--wiredTigerEngineConfigString", EVICTION, "--syncdelay", str(CHECKPOINT_SECONDS)),
            # A member of a replica set waits 15 s for its successor before it ends; alone it has none.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # What a process that was killed had begun blocks the documents it touched; the default is 60 s.
            *("--setParameter", "transactionLifetimeLimitSeconds=5"),
        ],
        env=os.environ | {"LC_ALL": "C"},
        ports={layout.mongo_port: "MongoDB"},
        not_ready=lambda: None if accepts(layout.mongo_port) else "it does not accept connections",
        start_timeout=START_TIMEOUT_SECONDS,
        after_start=lambda: _administer(layout),
    )


def _data(layout: Layout) -> Path:
    return layout.state / "mongodb"


def _administer(layout: Layout) -> None:
    """Replica set, administrator, and the wait for a primary: in a process of its own, because it needs pymongo."""
    command = [str(layout.python), "-m", "deploy.native.mongodb_admin", str(layout.mongo_port), str(layout.secrets)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    if done.returncode != 0:
        raise StackError("MongoDB's replica set could not be set up", done.stderr[-2000:])
