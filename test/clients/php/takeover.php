<?php
// A client of PHP's Memcached across a takeover: called with host and port. Writes keys, says `ready`, and goes on; a
// write whose outcome it does not know is tried again. Some writes after the break it reads every acknowledged key back.
const PATIENCE_SECONDS = 15;
const WRITES_AFTER = 1000;

$client = new Memcached();
$client->setOption(Memcached::OPT_RETRY_TIMEOUT, 0);
$client->addServer($argv[1], (int) $argv[2]);
$breaks = 0;

function retried(callable $call): mixed
{
    global $client, $breaks;
    $deadline = microtime(true) + PATIENCE_SECONDS;
    for (;;) {
        $result = $call();
        if ($client->getResultCode() === Memcached::RES_SUCCESS) return $result;
        $breaks++;
        if (microtime(true) > $deadline) throw new Exception($client->getResultMessage());
        usleep(1000);
    }
}

$acknowledged = [];
for ($number = 0, $after = 0; $after < WRITES_AFTER; $number++) {
    $key = 'take-' . $number % 2000;
    retried(fn() => $client->set($key, "$number"));
    $acknowledged[$key] = "$number";
    if ($number === 500) echo "ready\n";
    if ($breaks > 0) $after++;
}
foreach ($acknowledged as $key => $value) {
    $found = retried(fn() => $client->get($key));
    if ($found !== $value) throw new Exception("$key: got $found, not $value");
}
echo "Memcached is content after $breaks breaks and $number writes\n";
