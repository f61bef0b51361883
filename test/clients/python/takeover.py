"""A pymemcache client across a takeover: called with host and port.

Writes keys, says `ready`, and goes on writing, reconnecting when its connection breaks. A write whose outcome it does
not know is tried again. On a line of input it reads every acknowledged key back; fails by assertion.
"""

import sys
import time

from pymemcache.client.base import Client

address = (sys.argv[1], int(sys.argv[2]))
PATIENCE_SECONDS = 15
WRITES_AFTER = 1000


def retried(call):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except Exception as failure:
            client.close()
            breaks.append(failure)
            if time.monotonic() > deadline:
                raise


client = Client(address, connect_timeout=2, timeout=2)
breaks = []
acknowledged = {}
number = 0
after = 0
while after < WRITES_AFTER:
    key, value = "take-%d" % (number % 2000), b"%d" % number
    assert retried(lambda: client.set(key, value, noreply=False)) is True
    acknowledged[key] = value
    number += 1
    after += 1 if breaks else 0
    if number == 500:
        print("ready", flush=True)
for key, value in acknowledged.items():
    assert retried(lambda: client.get(key)) == value, key
print("pymemcache is content after %d breaks and %d writes" % (len(breaks), number))
