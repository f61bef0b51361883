"""What an application does with pylibmc (libmemcached in C): called with host and port; fails by assertion."""

import sys

import pylibmc

server = "%s:%s" % (sys.argv[1], sys.argv[2])


def storage(client):
    assert client.set("lib", "1")
    assert client.get("lib") == "1"
    assert not client.add("lib", "2")
    assert client.replace("lib", b"2")
    assert client.append("lib", b"3")
    assert client.prepend("lib", b"1")
    assert client.get("lib") == b"123"
    assert client.delete("lib")
    assert not client.delete("lib")
    assert client.get("lib") is None
    assert not client.replace("lib", "2")
    assert not client.append("lib", b"2")
    every_byte = bytes(range(256))
    assert client.set("lib", every_byte) and client.get("lib") == every_byte
    value = {"list": [1, 2.5, None], "text": "grün"}
    assert client.set("lib", value) and client.get("lib") == value


def arithmetic(client):
    assert client.set("lib", 5)
    assert client.incr("lib") == 6
    assert client.incr("lib", 10) == 16
    assert client.decr("lib", 6) == 10
    assert client.get("lib") == 10
    assert client.decr("lib", 1) == 9
    assert client.get("lib") == 9
    client.delete("lib")
    try:
        client.incr("lib")
        raise AssertionError("no error for a missing key")
    except pylibmc.NotFound:
        pass


def cas(client):
    client.set("lib", "1")
    value, unique = client.gets("lib")
    assert value == "1" and unique > 0
    assert client.cas("lib", "2", unique)
    assert not client.cas("lib", "3", unique)
    assert client.get("lib") == "2"


def multi(client):
    values = {"lib-%d" % n: "%d " % n * (n % 90) for n in range(500)}
    assert client.set_multi(values) == []
    assert client.get_multi(list(values) + ["none"]) == values
    assert client.get_multi(["1", "2", "no"], key_prefix="lib-") == {"1": "1 ", "2": "2 2 "}
    assert client.add_multi({"lib-1": "x"}) == ["lib-1"]
    assert client.delete_multi(list(values)[:250])
    assert len(client.get_multi(list(values))) == 250


def expiry(client):
    client.set("lib", "1", time=100)
    assert client.touch("lib", 0)
    assert not client.touch("lib-none", 0)
    assert client.get("lib") == "1"


def limits(client):
    large = b"0123456789abcdef" * 62500
    assert client.set("lib-large", large) and client.get("lib-large") == large
    try:
        client.set("lib-large", b"x" * 1200000)
        raise AssertionError("no error for a value too large")
    except pylibmc.TooBig:
        pass
    assert client.get("lib-large") is None
    longest = "k" * 250
    assert client.set(longest, "1") and client.get(longest) == "1"
    text = "compress me " * 1000
    assert client.set("lib", text, min_compress_len=100) and client.get("lib") == text


def statistics(client):
    [(name, found)] = client.get_stats()
    assert server.split(":")[1].encode() in name and "64" in str(found["pointer_size"]), found
    assert client.get_stats("settings")[0][1]


def flush(client):
    client.set("lib", "1")
    assert client.flush_all()
    assert client.get("lib") is None


for behaviors in (
    {"tcp_nodelay": True, "cas": True},
    {"tcp_nodelay": True, "cas": True, "ketama": True, "no_block": True},
):
    client = pylibmc.Client([server], behaviors=behaviors)
    for part in (storage, arithmetic, cas, multi, expiry, limits, statistics, flush):
        part(client)
    client.disconnect_all()

# Storage commands with noreply, gathered into large packets.
client = pylibmc.Client([server], behaviors={"cas": True})
silent = pylibmc.Client([server], behaviors={"_noreply": True, "buffer_requests": False})
for number in range(300):
    silent.set("lib-silent-%d" % number, str(number))
assert silent.get("lib-silent-299") == "299"
found = client.get_multi(["lib-silent-%d" % number for number in range(300)])
assert len(found) == 300 and found["lib-silent-7"] == "7"
print("pylibmc is content")
