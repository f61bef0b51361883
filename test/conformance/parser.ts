/**
 * Reads replies with memcache-parser, which is somebody else's reading of the protocol: what it makes of them
 * shows that they are right for more than this table's own comparison of bytes.
 */
import { MemcacheParser, type ParserPendingData } from 'memcache-parser';
import { Client } from '../support/client.js';
import type { Server } from '../support/server.js';
import { until } from '../support/until.js';

/** One reply line, as its words, and the data block that followed it. */
export interface Reply {
  readonly words: readonly string[];
  readonly data: Buffer | null;
}

/** Sends everything, and reads replies until there are as many lines as asked for. */
export async function parsed(server: Server, sent: string, lines: number): Promise<Reply[]> {
  const client = await Client.connect(server.host, server.port);
  const reader = new Reader();
  try {
    await client.send(sent);
    await until(
      `${lines} replies to ${JSON.stringify(sent.slice(0, 80))}`,
      async () => {
        reader.read(await client.readUntil('more', (text) => text.length > 0));
        return reader.replies.length >= lines;
      },
      { everyMs: 0 },
    );
    return reader.replies;
  } finally {
    client.close();
  }
}

/** Collects replies; throws when the parser complains of one. */
export class Reader extends MemcacheParser {
  readonly replies: Reply[] = [];

  constructor() {
    const complain = (message: string) => {
      throw new Error(message);
    };
    super({ error: complain, warn: complain, info: () => {}, debug: () => {} });
  }

  /** In pieces of three bytes too: the parser is right for any, and so the bytes between must be. */
  read(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 3) {
      this.onData(bytes.subarray(at, at + 3));
    }
  }

  /** Throws if a reply is not complete. */
  done(): void {
    if (this._pending !== undefined || this._partialData !== undefined) {
      throw new Error(`memcache-parser waits for more after ${this.replies.length} replies`);
    }
  }

  override processCmd(cmdTokens: string[]): number {
    if (cmdTokens[0] === 'VALUE') {
      this.initiatePending(cmdTokens, Number(cmdTokens[3]));
    } else if (cmdTokens[0] === 'VA') {
      this.initiatePending(cmdTokens, Number(cmdTokens[1]));
    } else {
      this.replies.push({ words: cmdTokens, data: null });
    }
    return 1;
  }

  override receiveResult(result: ParserPendingData | string) {
    if (typeof result !== 'string') {
      this.replies.push({ words: result.cmdTokens, data: result.data ?? null });
    }
  }
}
