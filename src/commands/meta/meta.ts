/** The meta commands. */
import type { Arithmetic } from '../execution/arithmetic.js';
import type { CommandParts } from '../execution/exchange.js';
import type { LargeCopies } from '../execution/large-copy.js';
import type { StorageDialect } from '../execution/request.js';
import type { Retrieving } from '../execution/retrieving.js';
import type { Storing } from '../execution/storing.js';
import { MetaChanging } from './changing.js';
import type { MetaExchange } from './exchange.js';
import { MetaRetrieving } from './retrieving.js';
import { MetaStoring } from './storing.js';

/** The parts that the classic commands and these share. */
export interface Parts {
  readonly storing: Storing;
  readonly retrieving: Retrieving;
  readonly arithmetic: Arithmetic;
  readonly copies: LargeCopies;
}

export class Meta {
  readonly retrieving: MetaRetrieving;
  readonly storing: MetaStoring;
  readonly changing: MetaChanging;

  constructor(
    commandParts: CommandParts,
    meta: MetaExchange,
    dialect: StorageDialect,
    parts: Parts,
  ) {
    const { storing, retrieving, arithmetic, copies } = parts;
    this.retrieving = new MetaRetrieving(commandParts, meta, retrieving);
    this.storing = new MetaStoring(commandParts, meta, dialect, storing);
    this.changing = new MetaChanging(commandParts, meta, arithmetic, copies);
  }
}
