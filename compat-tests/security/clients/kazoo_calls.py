"""What kazoo sees over TLS, and with a login: see ../clients.py, which says what to do by the environment."""
import logging
import os
import threading
import time

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
# What its connection goes through. A login that fails comes behind CONNECTED: what `start` and the first call say of it depends on when they look.
states, heard = [], client._session_callback
client._session_callback = lambda state: (states[-1:] == [state] or states.append(state), heard(state))
try:
    client.start(4)
    client.exists("/")
except Exception:  # noqa: BLE001
    until = time.monotonic() + 10
    while client.client_state != "CLOSED" and time.monotonic() < until:
        time.sleep(0.01)
    print("kept out ->", *states)
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
