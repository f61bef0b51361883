/** Ends a command that cannot do what it was asked for. */
import { exitStatus, HotspareError } from '../src/base/errors.js';
import { tell } from '../src/process/log.js';
import { tellStarter } from '../src/process/process.js';

/** Runs a command; a HotspareError ends the process. */
export function run(body: () => void | Promise<void>): void {
  Promise.resolve()
    .then(body)
    .catch((error: unknown) => {
      if (!(error instanceof HotspareError)) throw error;
      fail(error);
    });
}

/** Ends the process with one line, the error and its remedy, and the exit status of the error. */
export function fail(error: HotspareError): never {
  const line = `hotspare: ${error.message} (${error.remedy})\n`;
  tell(line);
  tellStarter({ event: 'failed', line });
  process.exit(exitStatus[error.code]);
}
