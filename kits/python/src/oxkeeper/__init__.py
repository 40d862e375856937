"""ZooKeeper servers for tests: a process that serves within milliseconds and ends with the test.

    with TestingServer() as server:
        client = KazooClient(server.connect_string)

The binary is the one that OXKEEPER names, the one in this package, or the one in PATH."""
import json
import os
import shutil
import subprocess
import threading

__all__ = ["OxkeeperError", "TestingEnsemble", "TestingServer", "binary"]


class OxkeeperError(Exception):
    """What the server could not do."""


def binary():
    """The path of the oxkeeper that is run."""
    given = os.environ.get("OXKEEPER")
    if given:
        return given
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "oxkeeper")
    found = own if os.path.exists(own) else shutil.which("oxkeeper")
    if not found:
        raise OxkeeperError("there is no oxkeeper in this package or in PATH; OXKEEPER may name it")
    return found


class _Process:
    """`oxkeeper testing`: a line of JSON for each line that it is told. It ends when its standard input does."""

    __test__ = False                           # no class of tests, whatever its name

    def __init__(self, arguments, settings):
        given = ["-D%s=%s" % item for item in (settings or {}).items()]
        self._lock = threading.Lock()
        self._process = subprocess.Popen([binary(), "testing", *arguments, *given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            place = self._answer()
        except OxkeeperError:
            self.close()
            raise
        self.connect_string = place["connectString"]
        self.members = place["members"]
        self.data_dir = place.get("dataDir")

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise OxkeeperError("oxkeeper has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise OxkeeperError(answer["error"])
        return answer

    def _tell(self, command, *numbers):
        with self._lock:
            if self._process.stdin.closed:
                raise OxkeeperError("it is closed")
            try:
                self._process.stdin.write(" ".join([command, *map(str, numbers)]) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass                           # the answer tells
            return self._answer()

    def close(self):
        """Ends it, with its ports and files. More than once does no harm."""
        with self._lock:
            if not self._process.stdin.closed:
                try:
                    self._process.stdin.close()
                except BrokenPipeError:
                    pass
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_process", None) is not None and self._process.poll() is None:
            self.close()


class TestingServer(_Process):
    """A server that is alone, on loopback. `settings`: those of zoo.cfg."""

    def __init__(self, port=None, data_dir=None, settings=None):
        arguments = ["--port=%d" % port] if port else []
        arguments += ["--data-dir=%s" % data_dir] if data_dir else []
        super().__init__(arguments, settings)

    @property
    def port(self):
        """The client port. It stays the same when the server is started again."""
        return int(self.connect_string.rpartition(":")[2])

    def stop(self):
        """Stops it; data and port stay."""
        self._tell("stop")

    def kill(self):
        """The same without a word to anybody."""
        self._tell("kill")

    def restart(self):
        """Starts it with the data and the port that it had; one that runs is stopped first."""
        self._tell("restart")


class TestingEnsemble(_Process):
    """An ensemble on loopback. Its members have the numbers 1, 2, …; `members` are their connect strings."""

    def __init__(self, members=3, settings=None):
        super().__init__(["--members=%d" % members], settings)

    def stop(self, member):
        """Stops a member; its data and port stay."""
        self._tell("stop", member)

    def kill(self, member):
        """The same without a word to anybody."""
        self._tell("kill", member)

    def restart(self, member):
        """Starts a member with the data and the port that it had. It does not wait until it serves: see `await_serving`."""
        self._tell("restart", member)

    def pause(self, member):
        """Lets a member stand still, as far as anybody can see."""
        self._tell("pause", member)

    def resume(self, member):
        """Lets it go on."""
        self._tell("resume", member)

    def partition(self, *members):
        """Cuts the lines between these members and all others."""
        self._tell("partition", *members)

    def heal(self):
        """Mends all lines."""
        self._tell("heal")

    def await_serving(self, *members):
        """Waits until these members serve, or all, half a minute at most."""
        self._tell("await", *members)

    def mode(self, member):
        """`leader`, `follower`, or None where it does not serve."""
        return self._tell("mode", member)["mode"]

    @property
    def leader(self):
        """The number of the member that leads, or None."""
        return self._tell("leader")["leader"]
