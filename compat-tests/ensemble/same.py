"""Whether all members of a quiet ensemble show the same, through the client port: of each znode its data, ACL and every field
of its Stat; the last zxid; the sessions and their ephemerals; the digests of the tree that `hash` tells."""
import re

from members import OXKEEPER, need

CONFIG = "/zookeeper/config"


def tree(client):
    """Path -> (data, ACL, Stat) of every znode."""
    found, todo = {}, ["/"]
    while todo:
        path = todo.pop()
        data, stat = client.get_or_null(path)
        found[path] = data, client.get_acl(path), stat
        todo += [path.rstrip("/") + "/" + name for name in client.children(path)]
    return found


def comparable(found):
    """Each member writes its configuration by itself: at its own time and, behind proxies, with its own ports."""
    data, acl, stat = found[CONFIG]
    found[CONFIG] = len(data), acl, {k: v for k, v in stat.items() if k != "mtime"}
    return found


def ephemerals(member):
    """What `dump` tells of them: (session, paths), in no order."""
    listed = re.search(r"Sessions with Ephemerals.*:\n((?:0x.*\n|\t.*\n)*)", member.word("dump"))
    need(listed, "%r lists no ephemerals in dump" % member)
    sessions = re.findall(r"(0x\w+):\n((?:\t.*\n)*)", listed[1])
    return sorted((session, sorted(owned.split())) for session, owned in sessions)


def sessions(leader):
    """The sessions that it knows, as `dump` tells."""
    return set(re.findall(r"0x\w+", leader.word("dump").split("Sessions with Ephemerals")[0]))


def owning(member, known):
    """Sessions that own something. One that did once is listed without a path as long as it lasts, where it was seen to own something: not by
    a member that has fetched a snapshot since. Official servers up to 3.8 now and then go on listing it when it has ended; ours may not."""
    listed = ephemerals(member)
    ended = [session for session, owned in listed if not owned and session not in known]
    need(member.implementation != OXKEEPER or not ended, "%r lists sessions that have ended: %s" % (member, ended))
    return [(session, owned) for session, owned in listed if owned]


def digests(member):
    """zxid -> digest, of a member that keeps them (3.6 and later)."""
    return dict(line.split(": ") for line in member.word("hash").splitlines() if ": " in line)


def difference(one, other):
    """The first differences of two mappings, as text."""
    paths = [p for p in sorted(one.keys() | other.keys()) if one.get(p) != other.get(p)]
    return "; ".join("%s: %s / %s" % (p, one.get(p), other.get(p)) for p in paths[:3])


def same(ensemble):
    """Compares all members with the leader, while one session has an ephemeral, and tells the number of znodes."""
    first, *others = sorted(ensemble.alive(), key=lambda m: m.mode() != "leader")
    with first.client(timeout=20, session_ms=60000) as client:
        client.create("/ephemeral-", b"", 3)
        trees = {m: synced_tree(m) for m in (first, *others)}
        ensemble.quiet()
        known = sessions(first)
        lists = {m: owning(m, known) for m in (first, *others)}
    need(lists[first], "%r lists the ephemeral" % first)
    for m in others:
        need(trees[m] == trees[first], "%r and %r differ at %s" % (first, m, difference(trees[first], trees[m])))
        need(lists[m] == lists[first], "%r and %r list other ephemerals: %s, %s" % (first, m, lists[first], lists[m]))
        one, other = digests(first), digests(m)
        unlike = {z: (one[z], other[z]) for z in one.keys() & other.keys() if one[z] != other[z]}
        ours = [one for one in (first, m) if one.implementation == OXKEEPER]
        by_themselves = [one for one in (first, m) if one not in ours and one.digest_mismatches()]
        if unlike and (not ours or by_themselves and not any(one.digest_mismatches() for one in ours)):
            # An official member that an official leader brings up by a snapshot under writes shows digests of a tree that is ahead (3.9.5 alone
            # in `busy_snap`), and one that counts mismatches where ours counts none shows others for these.
            print("note  %r and %r have other digests: %s" % (first, m, unlike), flush=True)
            continue
        need(not unlike, "%r and %r have other digests: %s" % (first, m, unlike))
    counted = {m: m.digest_mismatches() - m.mismatches_of_sync for m in (first, *others)}
    # Ensembles of 3.6.4 alone (3 of 4 runs of `leaders`) and of 3.8.6 alone (2 of 3) count them when leaders change under writes, though the
    # digests above agree: what these versions count says nothing of ours. 3.9.5 alone has done so, too (once, in `outages`):
    # where none of ours is, nothing is judged.
    alone = all(m.implementation != OXKEEPER for m in counted)
    count_by_themselves = [m for m in counted if alone or m.implementation.startswith(("3.6.", "3.7.", "3.8."))]
    for m in count_by_themselves:
        if counted.pop(m):
            print("note  %r counts digest mismatches, as it does without others" % m, flush=True)
    need(not any(counted.values()), "digest mismatches, the leader first: %s" % {repr(m): n for m, n in counted.items()})
    return len(trees[first])


def synced_tree(member):
    with member.client(timeout=20) as client:
        client.sync()
        return comparable(tree(client))
