"""What an application does with pymemcache (pure Python): called with host and port; fails by assertion."""

import sys
import threading

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError

address = (sys.argv[1], int(sys.argv[2]))
EVERY_BYTE = bytes(range(256))


def storage(client):
    assert client.set("py", b"1", noreply=False) is True
    assert client.get("py") == b"1"
    assert client.add("py", b"2", noreply=False) is False
    assert client.replace("py", b"2", noreply=False) is True
    assert client.append("py", b"3", noreply=False) is True
    assert client.prepend("py", b"1", noreply=False) is True
    assert client.get("py") == b"123"
    assert client.delete("py", noreply=False) is True
    assert client.delete("py", noreply=False) is False
    assert client.get("py") is None
    assert client.get("py", b"default") == b"default"
    assert client.replace("py", b"2", noreply=False) is False
    assert client.append("py", b"2", noreply=False) is False
    assert client.add("py", EVERY_BYTE, noreply=False) is True
    assert client.get("py") == EVERY_BYTE
    assert client.set("py", b"", noreply=False, flags=77) is True
    assert client.get("py") == b""


def noreply(client):
    for number in range(200):
        client.set("py%d" % number, b"%d" % number, noreply=True)
    client.incr("py7", 1, noreply=True)
    client.delete("py8", noreply=True)
    client.touch("py9", 100, noreply=True)
    found = client.get_many(["py%d" % number for number in range(200)])
    assert len(found) == 199 and found["py7"] == b"8" and found["py199"] == b"199"


def cas(client):
    client.set("py", b"1", noreply=False)
    value, unique = client.gets("py")
    assert value == b"1" and unique.isdigit()
    assert client.cas("py", b"2", unique, noreply=False) is True
    assert client.cas("py", b"3", unique, noreply=False) is False
    assert client.cas("py-none", b"3", unique, noreply=False) is None
    client.set("py2", b"x", noreply=False)
    found = client.gets_many(["py", "py2", "py-none"])
    assert sorted(found) == ["py", "py2"] and found["py"][1] != found["py2"][1]


def arithmetic(client):
    client.set("py", b"18446744073709551614", noreply=False)
    assert client.incr("py", 1) == 18446744073709551615
    assert client.incr("py", 1) == 0
    assert client.decr("py", 5) == 0
    assert client.incr("py-none", 1) is None
    client.set("py", b"x", noreply=False)
    for delta in (1, -1):
        try:
            client.incr("py", delta)
            raise AssertionError("no error for delta %d" % delta)
        except MemcacheClientError:
            pass
    assert client.get("py") == b"x"


def many(client):
    values = {"py-many-%d" % n: b"%d " % n * (n % 90) for n in range(500)}
    assert client.set_many(values, noreply=False) == []
    assert client.get_many(list(values)) == values
    assert client.delete_many(list(values)[:250], noreply=False) is True
    assert len(client.get_many(list(values))) == 250


def expiry(client):
    client.set("py", b"1", expire=100, noreply=False)
    assert client.touch("py", 0, noreply=False) is True
    assert client.touch("py-none", 0, noreply=False) is False
    client.set("py", b"1", expire=-1, noreply=False)
    assert client.get("py") is None
    if hasattr(client, "gat"):
        client.set("py", b"1", noreply=False)
        assert client.gat("py", 100) == b"1"
        assert client.gats("py", 100)[0] == b"1"


def limits(client):
    large = b"0123456789abcdef" * 62500
    assert client.set("py-large", large, noreply=False) is True
    assert client.get("py-large") == large
    try:
        client.set("py-large", b"x" * 1200000, noreply=False)
        raise AssertionError("no error for a value too large")
    except MemcacheServerError:
        pass
    assert client.get("py-large") is None
    longest = "k" * 250
    assert client.set(longest, b"1", noreply=False) is True and client.get(longest) == b"1"


def server(client):
    assert client.version()
    assert client.stats()[b"pointer_size"] == 64
    assert client.stats("settings")[b"item_size_max"] == 1048576
    assert client.stats("items") and client.stats("slabs")
    client.set("py", b"1", noreply=False)
    assert client.flush_all(noreply=False) is True
    assert client.get("py") is None


def objects():
    client = Client(address, serde=serde.pickle_serde, allow_unicode_keys=True, key_prefix=b"pre:")
    value = {"list": [1, 2.5, None], "text": "grün"}
    client.set("schlüssel", value, noreply=False)
    assert client.get("schlüssel") == value
    assert client.get_many(["schlüssel", "none"]) == {"schlüssel": value}
    client.set("n", 5, noreply=False)
    assert client.incr("n", 2) == 7
    client.close()


def threads():
    pool = PooledClient(address, max_pool_size=8)
    hashed = HashClient([address], use_pooling=True, max_pool_size=8)
    failures = []

    def work(number):
        try:
            for turn in range(100):
                key, value = "py-thread-%d-%d" % (number, turn % 5), b"%d:%d" % (number, turn)
                pool.set(key, value, noreply=False)
                assert hashed.get(key) == value
                assert hashed.set_many({key: value * 2}, noreply=False) == []
                assert pool.get_many([key]) == {key: value * 2}
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == [], failures
    pool.close()
    hashed.close()


client = Client(address, connect_timeout=5, timeout=10, no_delay=True)
for part in (storage, noreply, cas, arithmetic, many, expiry, limits, server):
    part(client)
client.quit()
objects()
threads()
print("pymemcache is content")
