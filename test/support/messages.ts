/**
 * Reads the remedies out of the program's sources: what its messages tell the operator to do. A remedy is found in two
 * ways. By its place: the last argument of an error, or what is assigned to `remedy`. And by its words: a clause of any
 * other text that begins with one of the verbs below. Each alternative of a message ("leave -U out, or add -Z") is a
 * remedy of its own. Inserted values are written as `…`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders of the program. The tools for its developers (bench/, test/) may say what they like. */
const folders = ['src', 'backup', 'failover', 'cli', 'native'];

/** The verbs of remedies in texts that are not known for remedies by their place. */
const verbs =
  'add|allow|apt-get|ask|attach|bring|change|check|chmod|choose|chown|close|connect|correct|delete|echo|enable|end|' +
  'free|give|grant|install|ip|keep|leave|load|lower|make|modprobe|mount|move|name|open|pass|put|raise|rdma|remove|' +
  'repeat|restart|run|see|start|stop|sysctl|take|try|ulimit|unset|update|upgrade|use|wait|write';

/** Calls whose argument of this number (from 0) is a remedy. */
const remedyArguments: Readonly<Record<string, number>> = {
  HotspareError: 2,
  usage: 1,
  refusal: 1,
  noFabric: 1,
  refused: 1,
};

export interface Remedy {
  readonly words: string;
  /** file:line */
  readonly place: string;
}

/** A text in a source file, and what stands around it. */
interface Literal {
  readonly text: string;
  readonly line: number;
  /** The function that is called with it, the number of its argument, and the code of that argument before it. */
  readonly callee: string;
  readonly argument: number;
  readonly before: string;
  /** The first text among the arguments. */
  readonly firstText: string;
}

/** All remedies of the program, in the order of its files. */
export function remediesOfProgram(root: string): Remedy[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|cc|h)$|CMakeLists\.txt$/.test(name))
      .sort()
      .flatMap((name) =>
        remediesOf(join(folder, name), readFileSync(join(root, folder, name), 'utf8')),
      ),
  );
}

/** The remedies in a source text. */
export function remediesOf(name: string, source: string): Remedy[] {
  const found = literalsOf(source, !name.endsWith('.ts')).flatMap((literal) =>
    clausesOf(literal).map((words) => ({ words, place: `${name}:${literal.line}` })),
  );
  return found;
}

function clausesOf({ text, callee, argument, before, firstText }: Literal): string[] {
  const isArgument = remedyArguments[callee] === argument;
  // A single word may be the name of something there, and a text of inserted values alone is put together elsewhere.
  const isOfWords = (clause: string): boolean =>
    /\w/.test(clause) && (isArgument || clause.includes(' '));
  if (isArgument || /\bremedy\b\s*[=:](?!=)/.test(before)) {
    return text.split(/; (?:or,? )?|, or |, else /).filter(isOfWords);
  }
  // What stands beside a flag's name is its help, and what has a line's end in it is sent, not said.
  const isHelp = (argument > 0 && firstText.startsWith('-')) || callee.endsWith('description');
  if (isHelp || /\\r\\n/.test(text)) return [];
  const clauses = new RegExp(`(?:^|; |: |\\(|, or )((?:${verbs}) .*?)(?=; |, or |\\)|$)`, 'g');
  return [...text.matchAll(clauses)].map(([, clause]) => clause!);
}

/** A call, a bracket or a block that is open where the reader stands. */
interface Frame {
  readonly callee: string;
  argument: number;
  before: string;
  firstText: string | null;
}

/** The texts of a source file: its comments and regular expressions are none. Without templates in C++ and CMake. */
export function literalsOf(source: string, isNative = false): Literal[] {
  const literals: Literal[] = [];
  const frames: Frame[] = [{ callee: '', argument: 0, before: '', firstText: null }];
  let line = 1;
  let at = 0;

  const top = (): Frame => frames.at(-1)!;
  const advance = (to: number): string => {
    const passed = source.slice(at, to);
    line += passed.split('\n').length - 1;
    at = to;
    return passed;
  };
  const past = (pattern: RegExp): number => {
    const search = new RegExp(pattern, 'gy');
    search.lastIndex = at;
    return search.test(source) ? search.lastIndex : at + 1;
  };
  const add = (text: string, startLine: number): void => {
    const { callee, argument, before, firstText } = top();
    literals.push({
      text,
      line: startLine,
      callee,
      argument,
      before,
      firstText: firstText ?? text,
    });
    top().firstText ??= text;
    top().before += '"';
  };

  /** Reads code up to the end of the source, or of the value that stands in a template. */
  const code = (inTemplate: boolean): void => {
    const depth = frames.length;
    while (at < source.length) {
      const char = source[at]!;
      if (source.startsWith('//', at) || (isNative && char === '#')) advance(past(/[^\n]*/));
      else if (source.startsWith('/*', at)) advance(past(/\/\*[\s\S]*?\*\//));
      else if (char === '/' && /(^|[(,=:[!&|?{};>]|return)\s*$/.test(top().before)) {
        advance(past(/\/(?:\[(?:\\.|[^\]\\])*\]|\\.|[^/\\\n[])+\//));
        top().before += '/';
      } else if (char === '"' || char === "'") {
        const startLine = line;
        const quoted = advance(past(char === '"' ? /"(?:\\.|[^"\\])*"/ : /'(?:\\.|[^'\\])*'/));
        add(quoted.slice(1, -1).replaceAll(/\\(['"])/g, '$1'), startLine);
      } else if (char === '`' && !isNative) template();
      else if (/[([{]/.test(char)) {
        const callee = char === '(' ? (/(\w+)\s*$/.exec(top().before)?.[1] ?? '') : '';
        advance(at + 1);
        frames.push({ callee, argument: 0, before: '', firstText: null });
      } else if (/[)\]}]/.test(char)) {
        if (inTemplate && frames.length === depth) return;
        advance(at + 1);
        if (frames.length > 1) frames.pop();
        top().before += char;
        if (char === '}' && top().callee === '') top().before = '';
      } else {
        advance(at + 1);
        top().before += char;
        if (char === ';') top().before = '';
        if (char === ',') {
          top().before = '';
          top().argument++;
        }
      }
    }
  };

  const template = (): void => {
    const startLine = line;
    let text = '';
    advance(at + 1);
    while (source[at] !== '`' && at < source.length) {
      if (source.startsWith('${', at)) {
        advance(at + 2);
        frames.push({ callee: '', argument: 0, before: '', firstText: null });
        code(true);
        frames.pop();
        advance(at + 1);
        text += '…';
      } else text += advance(source[at] === '\\' ? at + 2 : at + 1);
    }
    advance(at + 1);
    add(text, startLine);
  };

  code(false);
  return literals;
}
