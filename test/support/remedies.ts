/**
 * Every remedy that the program names, and the test that tries it: the file of the program, the remedy's words (with
 * `…` for inserted values), and the test. test/unit/remedies.test.ts holds this table against the sources.
 */

/** A test's file under test/ and its title, as it is written there: for a test of a table, that of the row. */
export type Trial = readonly [file: string, title: string] | { readonly untried: string };

const files = 'e2e/remedies.test.ts';
const link = 'e2e/remedies-link.test.ts';
const own = 'e2e/remedies-machine.test.ts';
const tools = 'e2e/remedies-tools.test.ts';
const device = 'e2e/device.test.ts';
const required = 'e2e/require-standbys.test.ts';
const neverSoMany = 'a node that could never have so many says what to change';
const bare = 'e2e/no-proc.test.ts';
const startup = 'e2e/startup.test.ts';
const traps = 'e2e/traps.test.ts';
const reigns = 'e2e/reigns.test.ts';

const ofFile = {
  flags: [tools, 'of other flags: use them, or start empty in one of two ways'],
  size: [files, 'a file that is no memory file'],
  version: [tools, 'of another version: open it with the hotspare that wrote it'],
  used: [tools, 'in use: stop that process, or name another file'],
  named: [link, 'nobody listens there'],
  elsewhere: [
    reigns,
    'a primary that is deposed, and not told where to attach, looks on until it is',
  ],
  drilled: [tools, 'nodes that end: see what the nodes said'],
  fewer: [files, '-c: where there is room for fewer clients, that is said'],
} as const;
const sameSecret = [files, 'in their secret'] as const;

export const trials: Readonly<Record<string, Readonly<Record<string, Trial>>>> = {
  'src/flags/extended-words.ts': {
    'leave it out': [files, 'sockets that are to be marked'],
    'give up root with -u': [files, 'a sandbox that is not there'],
  },
  'src/flags/extended.ts': {
    'docs/OPERATING.md lists the words': [files, 'an unknown word of -o'],
    'lower one of them': [files, 'shares of more than the whole'],
    'name the file': [files, 'TLS without a certificate'],
  },
  'src/flags/server-flags.ts': {
    'leave it out': [files, 'SASL'],
    'let in users with -Y': [files, 'SASL'],
    'choose ascii or auto': [files, 'the binary protocol'],
  },
  'src/flags/settings-from-flags.ts': {
    'name an address of this machine': [files, 'a name that nobody has'],
  },
  'src/flags/settings.ts': {
    'give it more with -m': [files, 'an item limit above half of the memory'],
    'choose a smaller -I': [files, 'an item limit above half of the memory'],
    'leave -U or -Y out': [files, 'users over UDP'],
    'leave … out': [files, 'notls without TLS'],
    'add -Z': [files, 'notls without TLS'],
    'name an IP address': [files, 'a name where standbys attach'],
    'see hotspare -h': [files, 'a port that is none'],
  },
  'src/net/client-addresses.ts': {
    'name a path with -s that you may write to': [
      files,
      'a path for the socket that cannot be written',
    ],
    'name an address of this machine with -l, and a port you may use with -p': [
      files,
      'an address of another machine',
    ],
    'stop what serves there': [
      files,
      'is free once what serves there is stopped; another is free at once',
    ],
    'choose another address with -p, -l, -s or -U': [
      files,
      'is free once what serves there is stopped; another is free at once',
    ],
    'raise the limit of open files with prlimit --pid': [
      link,
      'an heir without a descriptor for its clients: raise the limit of open files',
    ],
  },
  'src/net/tls.ts': {
    'correct the ssl_ words of -o': [files, 'a certificate that is none'],
  },
  'src/net/wire.ts': {
    'raise ulimit -n': [files, 'of a tool, too: a higher limit of descriptors'],
  },
  'src/process/credentials.ts': {
    'correct the file of -Y': [files, 'a file of users that is none'],
  },
  'src/process/descriptors.ts': {
    'raise ulimit -Hn (LimitNOFILE= of a unit)': [
      files,
      'a higher limit of descriptors, where the node itself has too few',
    ],
    'raise ulimit -Hn, LimitNOFILE= of a unit': ofFile.fewer,
    'choose a smaller -c': ofFile.fewer,
  },
  'src/process/out-of-memory.ts': {
    'choose a smaller -m': [
      'unit/out-of-memory.test.ts',
      'a pair says what both nodes need, and warns where there is less',
    ],
    'allow more': [
      'unit/out-of-memory.test.ts',
      'a pair says what both nodes need, and warns where there is less',
    ],
  },
  'src/process/process.ts': {
    'check the path and its rights': [files, 'no such folder for the pid file'],
    'name a user of /etc/passwd': [files, '-u: a user that exists; a port that it may bind again'],
    'try a smaller -c': [files, '-c: a smaller one, or a higher limit of descriptors'],
    'raise ulimit -Hn': [files, '-c: a smaller one, or a higher limit of descriptors'],
  },
  'src/server/region-mapping.ts': {
    'start empty with --discard-memory-file': ofFile.flags,
    'delete …': ofFile.flags,
    'delete … to start empty': [tools, 'that is none: delete it to start empty'],
    'open it with the hotspare that wrote it': ofFile.version,
    'use its flags': ofFile.flags,
    'stop that process': ofFile.used,
    'name another file': ofFile.used,
    'give it to the user of this process with chown': [
      traps,
      'one of another user is refused, and served after the remedy',
    ],
    'name the file that it leads to': [
      tools,
      "of another user, or through another user's symlink: another name",
    ],
    'chmod 600 …': [
      traps,
      'a memory file that every user may write to is refused, and served after the remedy',
    ],
    'start empty: with --discard-memory-file if it is one': ofFile.size,
    'raise ulimit -l': [files, '-k: a higher limit of locked memory, or none'],
    'leave -k out': [files, '-k: a higher limit of locked memory, or none'],
    'choose a smaller -m': [files, '-m: a smaller one'],
    'check the path, its rights and the space on its disk': [
      files,
      'no such folder for the memory file',
    ],
  },
  'backup/channel/hello.ts': {
    'run the same version of hotspare on both nodes': [
      link,
      'two versions: run the same version of hotspare on both nodes',
    ],
    'give both nodes the same --secret-file': sameSecret,
  },
  'backup/channel/secret.ts': {
    'unset it': [files, 'the secret of no pair'],
    'chown … …': [files, "another user's secret"],
    'chmod 600 …': ['e2e/secret.test.ts', 'with mode %s is refused'],
  },
  'backup/flags.ts': {
    'give both nodes the same --secret-file': [
      files,
      'a link that strangers can reach, without a secret',
    ],
    'run another build of node.js': [
      own,
      'run another build of node.js, or --link-cipher none on both nodes',
    ],
    '--link-cipher none on both nodes': [
      own,
      'run another build of node.js, or --link-cipher none on both nodes',
    ],
  },
  'backup/link/fabrics.ts': {
    'hotspare doctor says what there is': [
      link,
      'where there is no such device: hotspare doctor says what there is',
    ],
    'use libfabric 1.17 or newer, with its providers verbs and tcp': [
      own,
      'use libfabric 1.17 or newer',
    ],
    'apt-get install libfabric-dev, then npm run build:native': [
      files,
      'the headers of libfabric that are installed later are found by npm run build:native',
    ],
    'apt-get install libfabric1': [own, 'apt-get install libfabric1'],
  },
  'backup/link/link-choice.ts': {
    'give both nodes the same --transport': [files, 'in their transport do fit after the remedy'],
    'run hotspare doctor on both nodes': [
      link,
      'of two nodes without a provider in common: run hotspare doctor on both nodes',
    ],
  },
  'backup/link/link-setup.ts': {
    'run hotspare doctor on both nodes': [device, 'memory that may not be locked'],
  },
  'backup/link/rdma-receiver.ts': {
    'ulimit -l unlimited': [device, 'memory that may not be locked'],
  },
  'backup/primary/link-listener.ts': {
    'try again': [
      'unit/link-listener.test.ts',
      'a peer whose hello took too long is told to try again, and gets in then',
    ],
    'stop what serves there': [
      files,
      'at a port for standbys that is taken: another one, or the same once it is free',
    ],
    'choose another --link-listen': [
      files,
      'at a port for standbys that is taken: another one, or the same once it is free',
    ],
  },
  'backup/primary/primary-handshake.ts': {
    'give both nodes the same --secret-file': sameSecret,
    'give both nodes the same --link-cipher': [files, 'in their cipher'],
    'stop that standby first': [startup, 'beside another one waits until that one has gone'],
    'two nodes serve two caches: end one of them': [
      link,
      'two nodes serve two caches: end one of them',
    ],
    'connect a hotspare standby to this port, nothing else': [
      link,
      'a stranger at the link port: connect a hotspare standby to this port, nothing else',
    ],
  },
  'backup/primary/redirect-listener.ts': {
    'try again': ofFile.elsewhere,
  },
  'backup/standby/handshake-checks.ts': {
    'raise --dead-after here': [
      link,
      "a standby that waits less than three of its primary's heartbeats: raise one, or lower the other",
    ],
    'lower --heartbeat on the primary': [
      link,
      "a standby that waits less than three of its primary's heartbeats: raise one, or lower the other",
    ],
    'raise --ack-timeout on the primary': [files, 'in their times'],
    'lower --dead-after here': [files, 'in their times'],
  },
  'backup/standby/standby-handshake.ts': {
    'give both nodes the same --link-cipher': [files, 'in their cipher'],
  },
  'backup/standby/standby.ts': {
    'name the --link-listen of a primary with --of': [link, 'a server there says %s'],
    'check --of, and how many open files this process may have': [
      link,
      'a standby without a descriptor for its link: how many open files this process may have',
    ],
    'start the standby again': [link, 'its copy'],
    'run hotspare doctor on both nodes': [link, 'its choice of a link'],
    'run hotspare doctor': [device, 'memory that may not be locked'],
  },
  'failover/attachment.ts': {
    'raise --ack-timeout on the primary': [
      link,
      'a standby that is dropped: more processor, or a longer --ack-timeout',
    ],
    'give this node more processor': [
      link,
      'a standby that is dropped: more processor, or a longer --ack-timeout',
    ],
  },
  'failover/drill/drilled-pair.ts': { 'see what the nodes said': ofFile.drilled },
  'failover/drill/fill.ts': { 'see what the nodes said': ofFile.drilled },
  'failover/drill/results.ts': {
    'give it more --memory (…': [
      tools,
      'a cache that is too small: give it more --memory, with -v and the same --seed',
    ],
  },
  'failover/drill/until.ts': {
    'repeat it with -v and the same --seed to see what the nodes say': [
      tools,
      'a cache that is too small: give it more --memory, with -v and the same --seed',
    ],
  },
  'failover/link-errors.ts': {
    'start the primary again, and it is mirrored': [
      startup,
      'of a primary that is lost in the middle of the copy serves nothing, and mirrors the next one',
    ],
    'start the primary with --link-listen': [
      startup,
      'of a port where nobody listens waits, and says so: its primary may be started later',
    ],
    'correct --of': ofFile.named,
    "is that the --link-listen of a primary, and not its clients' port? Correct --of": [
      startup,
      'of a port that clients use waits, and says which port that may be',
    ],
    'start a primary at that address, and it is mirrored': [
      'e2e/lease.test.ts',
      'what is acknowledged after the lease is not lost: the old copy is not served',
    ],
    'give this node more processor': [
      'unit/role.test.ts',
      'a takeover that comes too late goes back to looking for a primary',
    ],
    'give the new primary a --link-listen': ofFile.elsewhere,
    'start this node as its standby': ofFile.elsewhere,
  },
  'cli/doctor/clock.ts': {
    'name the clients’ port of a node with --peer': [
      'e2e/figures.test.ts',
      'of a peer that is not there says so',
    ],
    'set both clocks alike, as NTP does': [
      own,
      'a clock that differs: set both clocks alike, as NTP does',
    ],
  },
  'cli/doctor/fabrics.ts': {
    'make one of Soft-RoCE: rdma link add rxe0 type rxe netdev DEV': [
      device,
      'no device: one of Soft-RoCE',
    ],
    'without a card, …': [device, 'no device: one of Soft-RoCE'],
    'name one with --host: …': [own, 'an address of another machine: name one with --host'],
    'unset FI_PROVIDER': [own, 'a provider that the environment keeps out: unset FI_PROVIDER'],
    'name the device’s own address with --host': [device, 'an address that is not the device’s'],
    'load the driver of the card (lspci -k)': { untried: 'it needs a card' },
    'bring its link up: ip link set DEV up': [device, 'a device whose link is down'],
    'check the cable': [device, 'a device whose cable is out'],
  },
  'cli/doctor/machine.ts': {
    'mount /proc here': [
      bare,
      'doctor says what it cannot know, and knows it once /proc is mounted',
    ],
    'ulimit -l unlimited': [device, 'memory that may not be locked'],
    'LimitMEMLOCK=infinity in the service': [device, 'memory that may not be locked'],
    'echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled': [
      device,
      'no huge pages for shared memory',
    ],
    'run as root': [own, 'rights to move an address: run as root, or AmbientCapabilities'],
    'AmbientCapabilities=… in the service': [
      own,
      'rights to move an address: run as root, or AmbientCapabilities',
    ],
  },
  'cli/measure/bench.ts': {
    'name another file': [
      tools,
      'a server that is not there, and a file that may not be written: others',
    ],
    'name a file that may be written with --latencies': [
      tools,
      'a server that is not there, and a file that may not be written: others',
    ],
  },
  'cli/measure/clients.ts': {
    'start a server there': [
      tools,
      'a server that is not there, and a file that may not be written: others',
    ],
  },
  'cli/measure/replicate.ts': {
    'see what the standby said': [tools, 'a standby that ends: see what the standby said'],
  },
  'cli/pair.ts': {
    'start the pair again': [
      'e2e/failover.test.ts',
      'whose nodes are both killed ends with a clear line',
    ],
  },
  'cli/start.ts': {
    'put it behind': [files, 'a flag before the command'],
    'start them on this machine with hotspare pair': [required, neverSoMany],
    'require fewer': [required, neverSoMany],
    'let it take more with --standbys': [required, neverSoMany],
    'say with --link-listen where standbys attach': [required, neverSoMany],
    'name it with -e': [files, 'a memory file to discard that has no name'],
    'choose a port from … on': [files, '-u: a user that exists; a port that it may bind again'],
    'leave -u out': [files, '-u: a user that exists; a port that it may bind again'],
  },
  'native/CMakeLists.txt': {
    'apt-get install libfabric-dev': [
      files,
      'the headers of libfabric that are installed later are found by npm run build:native',
    ],
  },
};
