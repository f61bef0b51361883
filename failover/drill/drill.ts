import type { Command } from 'commander';
export function drillFlags(command: Command): Command {
  return command;
}
export async function drill(
  _flags: Record<string, unknown>,
  _program: readonly string[],
): Promise<boolean> {
  return false;
}
