<?php
// What an application does with PHP's Memcached: called with host and port; throws what is wrong. Without them it only
// says whether the extension is there.
if (!class_exists('Memcached')) exit(1);
if ($argc < 3) exit(0);

function same(string $what, mixed $got, mixed $wanted): void
{
    if ($got !== $wanted) throw new Exception("$what: got " . var_export($got, true));
}

$client = new Memcached();
$client->addServer($argv[1], (int) $argv[2]);
$everyByte = implode('', array_map('chr', range(0, 255)));
$large = str_repeat('0123456789abcdef', 62500);

same('set', $client->set('php', '1'), true);
same('get', $client->get('php'), '1');
same('add', $client->add('php', '2'), false);
same('replace', $client->replace('php', '2'), true);
$client->setOption(Memcached::OPT_COMPRESSION, false);
same('append', $client->append('php', '3'), true);
same('prepend', $client->prepend('php', '1'), true);
same('get', $client->get('php'), '123');
same('delete', $client->delete('php'), true);
same('delete again', $client->delete('php'), false);
same('get of nothing', $client->get('php'), false);
same('code', $client->getResultCode(), Memcached::RES_NOTFOUND);
same('every byte', $client->set('php', $everyByte) && $client->get('php') === $everyByte, true);

same('set', $client->set('php', 10), true);
same('increment', $client->increment('php', 5), 15);
same('decrement', $client->decrement('php', 6), 9);
same('increment of nothing', $client->increment('php-none'), false);

$shown = $client->get('php', null, Memcached::GET_EXTENDED);
same('cas', $client->cas($shown['cas'], 'php', 'new'), true);
same('cas with an old id', $client->cas($shown['cas'], 'php', 'newer'), false);
same('touch', $client->touch('php', 100), true);
same('touch of nothing', $client->touch('php-none', 100), false);

$values = [];
for ($n = 1; $n <= 300; $n++) $values["php-$n"] = str_repeat("$n ", $n % 90);
same('setMulti', $client->setMulti($values), true);
$found = $client->getMulti([...array_keys($values), 'php-none']);
ksort($found);
ksort($values);
same('getMulti', $found, $values);

same('large', $client->set('php-large', $large) && $client->get('php-large') === $large, true);
same('too large', $client->set('php-large', str_repeat('x', 1200000)), false);
$structure = ['list' => [1, 2.5, null], 'text' => 'grün'];
same('a structure', $client->set('php', $structure) && $client->get('php') === $structure, true);
$client->set('php', '1', time() - 100);
same('expired', $client->get('php'), false);

$client->setOption(Memcached::OPT_NOREPLY, true);
for ($n = 1; $n <= 200; $n++) $client->set("php-silent-$n", "$n");
$client->setOption(Memcached::OPT_NOREPLY, false);
same('silent', $client->get('php-silent-200'), '200');
same('stats', array_values($client->getStats())[0]['pointer_size'], 64);
same('flush', $client->flush(), true);
same('flushed', $client->get('php-silent-200'), false);
echo "Memcached is content\n";
