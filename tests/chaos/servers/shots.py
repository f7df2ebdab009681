"""What disturbs a command on a server: signals to its processes, to the server, the network."""

from __future__ import annotations

import signal
import subprocess
import time

from tests.chaos import shots
from tests.chaos.servers.world import NAMES, World

_BROKEN = frozenset({1, 3, 4, 5})
_OF_FILES = ("none", "parent", "child", "both", "everything", "interrupt", "terminate")
# The codes that each shot allows besides those of the undisturbed command.
SHOTS: dict[str, frozenset[int]] = {name: shots.SHOTS[name] for name in _OF_FILES} | {
    "pause parent": _BROKEN,
    "pause everything": _BROKEN,
    "kill server": _BROKEN,
    "hang": _BROKEN,
    "cut": _BROKEN,
    "full disk": _BROKEN,
    "failing call": _BROKEN,
    "held": frozenset({1, 3}),
}
# These need no instant: they last as long as the command does.
LASTING = frozenset({"none", "full disk", "failing call", "held"})
# After these, half of a revision may stand where it cannot be rolled back: a person is needed.
HALVING = frozenset({"child", "interrupt", "terminate"})
# The server, or the way to it, was gone: whether anything stands there may be unknown.
BREAKING = frozenset({"kill server", "hang", "cut", "pause parent", "pause everything"})


def shoot(process: subprocess.Popen[bytes], shot: str, pause: float, world: World) -> None:
    """Disturb, and end the disturbance."""
    if shot == "kill server":
        world.server.kill()
        time.sleep(pause / 4)
        world.server.start()
    elif shot == "cut":
        world.proxy.cut()
    elif shot == "hang":
        world.proxy.hang()
        time.sleep(pause * 2)
        world.proxy.resume()
    elif shot == "pause parent":
        if process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            time.sleep(pause * 2)
            process.send_signal(signal.SIGCONT)
    else:
        shots.shoot(process, shot, pause)


def locked(world: World, name: str, seconds: float) -> None:
    """A transaction of the application that has read a table stays open for so long."""
    with world.server.session(NAMES[name]) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM parents")
        cursor.fetchall()
        time.sleep(seconds)
