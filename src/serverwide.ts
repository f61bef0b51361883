/** Commands about the server, not about items: verbosity, stats, shutdown. Each returns an Outcome. */
import type { Executor } from './execute.js';
import { ascii, lines } from './protocol/reply.js';
import { Outcome } from './request.js';
import type { Session } from './session.js';
import { resetStatistics, statistics } from './stats/statistics.js';

const gracefulWord = ascii('graceful');

/** `shutdown [graceful]`: memcached ends as by a signal, and answers only when it does not. */
export function shutdown(executor: Executor, { shared }: Session): number {
  const { line } = executor;
  if (!shared.facts.settings.shutdown) return executor.say(lines.shutdownDisabled);
  const graceful = line.count > 1;
  if (graceful && !(line.count === 2 && line.is(1, gracefulWord))) {
    return executor.say(lines.badShutdown);
  }
  shared.shutdown(graceful);
  return Outcome.CLOSE;
}

/** `verbosity LEVEL` is remembered and shown; what is logged does not depend on it. */
export function verbosity(executor: Executor, { shared }: Session): number {
  if (executor.line.count === 2 && executor.quiet) return Outcome.DONE;
  if (!executor.readUnsigned(1)) return executor.say(lines.badFormat);
  shared.facts.verbosity = executor.decimal.low;
  return executor.say(lines.ok);
}

/** `stats [TOPIC]`. */
export function stats(executor: Executor, session: Session): number {
  const { facts, mirror } = session.shared;
  const topic = executor.line.count > 1 ? executor.line.text(1) : '';
  if (topic === 'reset') {
    resetStatistics(executor, facts);
    return executor.say(lines.reset);
  }
  const outcome = executor.administration.stats(topic, session);
  if (outcome !== null) return outcome;
  const rows = statistics(topic, executor, facts, mirror);
  if (rows === null) return executor.say(lines.error);
  for (const [name, value] of rows) executor.output.text(`STAT ${name} ${value}\r\n`);
  return executor.say(lines.end);
}
