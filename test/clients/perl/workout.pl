# What an application does with Perl's clients: called with the module's name, host and port; dies of what is wrong.
use strict;
use warnings;

my ($module, $host, $port) = @ARGV;
eval "require $module" or die $@;
exit 0 unless defined $host;

sub same { my ($what, $got, $wanted) = @_; die "$what: got " . ($got // 'undef') . "\n" if ($got // "\0undef") ne ($wanted // "\0undef") }
sub yes { my ($what, $got) = @_; die "$what failed\n" unless $got }
sub refused { my ($what, $got) = @_; die "$what succeeded\n" if $got }

my $client = $module->new({ servers => ["$host:$port"] });
my $every_byte = join '', map { chr } 0 .. 255;
my $large = '0123456789abcdef' x 62_500;

yes('set', $client->set('pl', '1'));
same('get', $client->get('pl'), '1');
refused('add to a key that is there', $client->add('pl', '2'));
yes('replace', $client->replace('pl', '2'));
yes('append', $client->append('pl', '3'));
yes('prepend', $client->prepend('pl', '1'));
same('get', $client->get('pl'), '123');
yes('delete', $client->delete('pl'));
refused('delete again', $client->delete('pl'));
same('get of nothing', $client->get('pl'), undef);
refused('replace of nothing', $client->replace('pl', '2'));
yes('add', $client->add('pl', $every_byte));
same('every byte', $client->get('pl'), $every_byte);

yes('set', $client->set('pl', 10));
same('incr', $client->incr('pl', 5), 15);
same('decr', $client->decr('pl', 6), 9);
refused('incr of nothing', $client->incr('pl-none', 1));

if ($client->can('gets')) {
    my $shown = $client->gets('pl');
    yes('cas', $client->cas('pl', $shown->[0], 'new'));
    refused('cas with an old id', $client->cas('pl', $shown->[0], 'newer'));
    same('get', $client->get('pl'), 'new');
}
if ($client->can('touch')) {
    yes('touch', $client->touch('pl', 100));
    refused('touch of nothing', $client->touch('pl-none', 100));
}

my %values = map { ("pl-$_" => "$_ " x ($_ % 90)) } 1 .. 300;
$client->set($_, $values{$_}) for keys %values;
my $found = $client->get_multi(keys %values, 'pl-none');
same('found', scalar(keys %$found), 300);
same($_, $found->{$_}, $values{$_}) for keys %values;

yes('set of a large value', $client->set('pl-large', $large));
same('large value', $client->get('pl-large'), $large);
yes('a structure', $client->set('pl', { list => [1, 2.5], text => 'x' }));
same('a structure', $client->get('pl')->{list}[1], 2.5);
yes('a set that expires at once', $client->set('pl', '1', time() - 100));
same('expired', $client->get('pl'), undef);

# In void context no reply is asked for.
$client->set("pl-silent-$_", $_) for 1 .. 200;
same('silent', $client->get('pl-silent-200'), 200);
yes('flush_all', $client->flush_all);
same('flushed', $client->get('pl-silent-200'), undef);
print "$module is content\n";
