"""What kazoo sees over TLS, and with a login: see ../clients.py, which says what to do by the environment."""
import logging
import os
import threading

from kazoo.client import KazooClient
from kazoo.security import make_acl

logging.disable(logging.CRITICAL)
ENV, BASE = os.environ, os.environ["BASE"]


def attempt(what, fn, *args, **kw):
    try:
        print(what, "->", fn(*args, **kw), flush=True)
    except Exception as error:  # noqa: BLE001
        print(what, "-> raised", type(error).__name__, flush=True)


options = {}
if "CA" in ENV:
    options.update(use_ssl=True, ca=ENV["CA"], certfile=ENV.get("CERT"), keyfile=ENV.get("KEY"))
if "ZKUSER" in ENV:
    options.update(sasl_options={"mechanism": "DIGEST-MD5", "username": ENV["ZKUSER"], "password": ENV["ZKPASSWORD"]})
client = KazooClient(hosts=ENV["ZK"], timeout=10, connection_retry={"max_tries": 1}, **options)
try:
    client.start(4)
except Exception as error:  # noqa: BLE001
    print("connect -> raised", type(error).__name__, client.state)
    raise SystemExit(0)
try:
    client.exists("/")
except Exception as error:  # noqa: BLE001
    # What else it would say depends on when it notices.
    print("first call -> raised", type(error).__name__)
    raise SystemExit(0)
large = b"x" * 800_000
attempt("create", client.create, BASE, b"x")
attempt("set", lambda: client.set(BASE, large).version)
attempt("get", lambda: client.get(BASE)[0] == large)
own = make_acl(ENV.get("SCHEME", "auth"), ENV.get("ID", ""), all=True)
attempt("own", client.create, BASE + "/own", acl=[own])
attempt("own", lambda: client.get(BASE + "/own")[0])
attempt("another's", lambda: client.get("/another")[0])
fired = threading.Event()
seen = []
attempt("watch", client.get_children, BASE, watch=lambda event: (seen.append((event.type, event.path)), fired.set()))
attempt("ephemeral", client.create, BASE + "/e", ephemeral=True)
fired.wait(10)
print("event ->", seen)
attempt("children", lambda: sorted(client.get_children(BASE)))
client.stop()
