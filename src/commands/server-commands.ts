/**
 * Commands about the server and its connections, not about items: verbosity, stats, watch, refresh_certs, shutdown.
 * Each returns an Outcome. They are rare, and may take strings and time.
 */

import { tokensMax } from '../protocol/line.js';
import { ascii, lines } from '../protocol/reply.js';
import { resetStatistics, statistics } from '../stats/statistics.js';
import type { Caller } from './caller.js';
import { LineDump } from './dumping.js';
import type { Executor } from './execute.js';
import { Outcome } from './execution/request.js';
import { Topic } from './execution/watchers.js';

const gracefulWord = ascii('graceful');

export function quit(_: Executor, caller: Caller): number {
  caller.closeReason = 'normal';
  return Outcome.CLOSE;
}

/** `shutdown [graceful]`: ends as memcached does on a signal, without a reply; only a refusal is answered. */
export function shutdown(executor: Executor, caller: Caller): number {
  const { server } = caller;
  const { exchange, line } = executor;
  if (!server.statSource.settings.shutdown) return exchange.say(lines.shutdownDisabled);
  const graceful = line.count > 1;
  if (graceful && !(line.count === 2 && line.is(1, gracefulWord))) {
    return exchange.say(lines.badShutdown);
  }
  server.shutdown(graceful);
  caller.closeReason = 'shutdown';
  return Outcome.CLOSE;
}

/** `verbosity LEVEL` is remembered and shown; the log does not depend on it. */
export function verbosity({ exchange }: Executor, { server }: Caller): number {
  if (exchange.line.count === 2 && exchange.quiet) return Outcome.DONE;
  if (!exchange.readUnsigned(1)) return exchange.say(lines.badFormat);
  server.statSource.verbosity = exchange.decimal.low;
  return exchange.say(lines.ok);
}

/** `stats [TOPIC]`. */
export function stats(executor: Executor, caller: Caller): number {
  const { statSource, mirror } = caller.server;
  const { exchange } = executor;
  const topic = executor.line.count > 1 ? executor.line.text(1) : '';
  switch (topic) {
    case 'reset':
      resetStatistics(executor, statSource);
      return exchange.say(lines.reset);
    case 'detail':
      return detail(executor, caller);
    case 'conns':
      caller.dump = new LineDump(caller.server.connectionLines(caller.connection));
      return Outcome.DUMP;
    default:
  }
  const outcome = executor.administration.stats(topic, caller);
  if (outcome !== null) return outcome;
  caller.server.wire.budget.weigh();
  const rows = statistics(topic, executor, statSource, mirror);
  if (rows === null) return exchange.say(lines.error);
  for (const [name, value] of rows) executor.output.text(`STAT ${name} ${value}\r\n`);
  return exchange.say(lines.end);
}

/** `stats detail on|off|dump`. */
function detail(executor: Executor, caller: Caller): number {
  const { exchange, line, observer } = executor;
  const { prefixes } = observer;
  const word = line.count > 2 ? line.text(2) : '';
  switch (word) {
    case 'on':
    case 'off':
      prefixes.on = word === 'on';
      observer.update();
      return exchange.say(lines.ok);
    case 'dump':
      caller.dump = new LineDump(prefixes.lines());
      return Outcome.DUMP;
    default:
      return exchange.say(lines.detailUsage);
  }
}

/** `watch [topic …]`. */
export function watch(executor: Executor, caller: Caller): number {
  const { statSource, wire } = caller.server;
  const { exchange, line, observer } = executor;
  if (!statSource.settings.watch) return exchange.say(lines.watchDisabled);
  if (wire.answered) return exchange.say(lines.watchPipelined);
  let topics = line.count === 1 ? Topic.fetchers : 0;
  for (let token = 1; token < Math.min(line.count, tokensMax); token++) {
    const word = line.text(token);
    if (!Object.hasOwn(Topic, word)) return exchange.say(lines.error);
    topics |= Topic[word as keyof typeof Topic];
  }
  if (!observer.watchers.add(caller.connection, topics)) return exchange.say(lines.watchersMost);
  observer.update();
  caller.becomeWatcher();
  return exchange.say(lines.ok);
}

/** `refresh_certs`: later connections get the present content of the files. */
export function refreshCertificates({ exchange }: Executor, caller: Caller): number {
  const { tls } = caller.server.access;
  if (tls === null) return exchange.say(lines.tlsDisabled);
  const fault = tls.refresh();
  if (fault === null) return exchange.say(lines.ok);
  exchange.output.text(`${fault}\r\n`);
  return Outcome.DONE;
}
